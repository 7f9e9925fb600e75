{{/* Which ports values lead to, for network policies. Both charts have this file, but for the charts' names. */}}

{{/* {"ports": [...]} of the addresses and URLs in `places`: that of the scheme, or `default`, where none is said; and `more`. */}}
{{- define "meterbook-ledger.ports" -}}
{{- $ports := list -}}
{{- range $place := .places -}}
{{- $authority := regexReplaceAll "^[A-Za-z0-9+.-]+://" $place "" | splitList "/" | first | splitList "?" | first | splitList "@" | last -}}
{{- $usual := hasPrefix "http://" $place | ternary 80 $.default -}}
{{- range splitList "," $authority -}}
{{- $ports = append $ports (regexFind ":[0-9]+$" . | trimPrefix ":" | default (toString $usual) | int) -}}
{{- end -}}
{{- end -}}
{{- range .more -}}{{- $ports = append $ports (int .) -}}{{- end -}}
{{- toYaml (dict "ports" (uniq $ports)) -}}
{{- end -}}

{{/* Whether /metrics is read from outside of the release: by a monitor, or by whoever goes by annotations. "yes" or nothing. */}}
{{- define "meterbook-ledger.isScraped" -}}
{{- $metrics := .Values.metrics -}}
{{- $annotations := list .Values.podAnnotations $metrics.service.annotations -}}
{{- if or $metrics.serviceMonitor.enabled $metrics.podMonitor.enabled -}}yes
{{- else -}}
{{- range $annotations -}}{{- if eq "true" (get (default dict .) "prometheus.io/scrape") -}}yes{{- end -}}{{- end -}}
{{- end -}}
{{- end -}}
