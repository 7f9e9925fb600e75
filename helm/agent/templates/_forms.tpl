{{/* What single values look like, each with what to write instead: a schema says no more than that its pattern does not fit. Both charts have this
file, word for word but for its name. */}}

{{/* Fails unless the value of {place, value, pattern, wanted} is text of that form. */}}
{{- define "meterbook-agent.form" -}}
{{- if not (and (kindIs "string" .value) (regexMatch .pattern .value)) -}}
{{- fail (printf "%s is %v: %s" .place .value .wanted) -}}
{{- end -}}
{{- end -}}

{{- define "meterbook-agent.validations.forms" -}}
{{- $name := include "meterbook-agent.fullname" . -}}
{{- if not (regexMatch "^[a-z]([a-z0-9-]*[a-z0-9])?$" $name) -}}
{{- fail (printf "objects would be called %s, and names of Services are small letters, digits and hyphens, with a letter first: set fullnameOverride, such as --set fullnameOverride=acme-%s" $name (include "meterbook-agent.component" .)) -}}
{{- end -}}
{{- $size := dict "pattern" "^[0-9]+(\\.[0-9]+)?([kMGTPE]|[KMGTPE]i)?$" "wanted" "give a number of bytes with its unit, such as 50Gi" -}}
{{- include "meterbook-agent.form" (merge (dict "place" "persistence.size" "value" .Values.persistence.size) $size) -}}
{{- with .Values.tmp -}}
{{- include "meterbook-agent.form" (merge (dict "place" "tmp.sizeLimit" "value" .sizeLimit) $size) -}}
{{- end -}}
{{- $time := dict "pattern" "^([0-9]+(ms|s|m|h))+$" "wanted" "give a number with its unit, such as 30s" -}}
{{- range $monitor := list "serviceMonitor" "podMonitor" -}}
{{- $given := index $.Values.metrics $monitor -}}
{{- range $field := list "interval" "scrapeTimeout" -}}
{{- if or (eq $field "interval") (index $given $field) -}}
{{- include "meterbook-agent.form" (merge (dict "place" (printf "metrics.%s.%s" $monitor $field) "value" (index $given $field)) $time) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* Fails over a field of controller.spec that a workload of {root, kind, fields} does not have. */}}
{{- define "meterbook-agent.validations.controller" -}}
{{- range $field := keys (.root.Values.controller.spec | default dict) | sortAlpha -}}
{{- if not (has $field $.fields) -}}
{{- fail (printf "controller.spec.%s is not for this %s: leave it out, or give one of %s" $field $.kind (join ", " $.fields)) -}}
{{- end -}}
{{- end -}}
{{- end -}}
