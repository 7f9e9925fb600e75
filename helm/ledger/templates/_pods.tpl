{{/* What every pod of a chart has: who it is, where it runs, what it may. Both charts have this file, word for word but for its name. */}}

{{- define "meterbook-ledger.pullSecrets" -}}
{{- with concat (.Values.global.image.pullSecrets | default list) (.Values.image.pullSecrets | default list) | uniq -}}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* Where pods run. */}}
{{- define "meterbook-ledger.placement" -}}
{{- with .Values.priorityClassName }}
priorityClassName: {{ . | quote }}
{{- end }}
{{- with .Values.runtimeClassName }}
runtimeClassName: {{ . | quote }}
{{- end }}
{{- with .Values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- $selector := dict "matchLabels" (include "meterbook-ledger.selector" . | fromYaml) }}
{{- $spread := list }}
{{- range .Values.topologySpreadConstraints }}
{{- $spread = append $spread (merge (deepCopy .) (dict "labelSelector" $selector)) }}
{{- end }}
{{- with $spread }}
topologySpreadConstraints:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.hostAliases }}
hostAliases:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.dnsConfig }}
dnsConfig:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* The environment: a place for what libraries keep, since the root file system is read-only, and the user's. */}}
{{- define "meterbook-ledger.env" -}}
- name: HOME
  value: /tmp
{{- with .Values.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "meterbook-ledger.envFrom" -}}
{{- with .Values.extraEnvFrom -}}
envFrom:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* All three ask the pages that the process serves, unless they have a way of their own; one that is null is left out. */}}
{{- define "meterbook-ledger.probes" -}}
{{- range $name, $path := dict "startupProbe" "/healthz" "readinessProbe" "/readyz" "livenessProbe" "/healthz" -}}
{{- with index $.Values $name }}
{{ $name }}:
  {{- $page := dict "httpGet" (dict "path" $path "port" "http") }}
  {{- toYaml (or .exec .grpc .httpGet .tcpSocket | empty | ternary (merge $page .) .) | nindent 2 }}
{{- end }}
{{- end }}
{{- end -}}

{{/* What a claim asks for, whether it stands by itself or in a StatefulSet. */}}
{{- define "meterbook-ledger.claimSpec" -}}
{{- $given := .Values.persistence -}}
{{- $spec := dict "accessModes" (list "ReadWriteOnce") "resources" (dict "requests" (dict "storage" $given.size)) -}}
{{- with $given.storageClass -}}{{- $_ := set $spec "storageClassName" (eq . "-" | ternary "" .) -}}{{- end -}}
{{- toYaml (merge (deepCopy ($given.spec | default dict)) $spec) -}}
{{- end -}}

{{/* Bytes of a quantity such as 2Gi; 0 for a form that is not known. */}}
{{- define "meterbook-ledger.bytes" -}}
{{- $factors := dict "m" 0.001 "" 1.0 "k" 1e3 "M" 1e6 "G" 1e9 "T" 1e12 "P" 1e15 "E" 1e18 "Ki" 1024.0 "Mi" 1048576.0 "Gi" 1073741824.0 "Ti" 1099511627776.0 "Pi" 1125899906842624.0 "Ei" 1152921504606846976.0 -}}
{{- $text := toString . -}}
{{- $number := regexFind "^[0-9]+(\\.[0-9]+)?" $text -}}
{{- $unit := trimPrefix $number $text -}}
{{- if and $number (hasKey $factors $unit) -}}
{{- int64 (mulf (float64 $number) (float64 (get $factors $unit))) -}}
{{- else -}}
0
{{- end -}}
{{- end -}}

{{/* Ways out to Amazon's agent for Pod Identity, which hands out credentials on the node. */}}
{{- define "meterbook-ledger.podIdentityEgress" -}}
- to:
    - ipBlock: {cidr: 169.254.170.23/32}
    - ipBlock: {cidr: fd00:ec2::23/128}
  ports:
    - {protocol: TCP, port: 80}
{{- end -}}

{{/* A way out to some ports: of everybody where nobody is named. No ports are no way: a rule without any would open all. */}}
{{- define "meterbook-ledger.egress" -}}
{{- $ports := list -}}
{{- range .ports -}}{{- $ports = append $ports (dict "protocol" "TCP" "port" (int .)) -}}{{- end -}}
{{- $rule := dict "ports" $ports -}}
{{- with .to -}}{{- $_ := set $rule "to" . -}}{{- end -}}
{{- with $ports -}}{{- toYaml (list $rule) -}}{{- end -}}
{{- end -}}

{{- define "meterbook-ledger.dnsEgress" -}}
{{- $ports := list -}}
{{- range .Values.networkPolicy.dnsPorts -}}
{{- $ports = concat $ports (list (dict "protocol" "UDP" "port" (int .)) (dict "protocol" "TCP" "port" (int .))) -}}
{{- end -}}
{{- $rule := dict "ports" $ports -}}
{{- with .Values.networkPolicy.dnsTo -}}{{- $_ := set $rule "to" . -}}{{- end -}}
{{- with $ports -}}{{- toYaml (list $rule) -}}{{- end -}}
{{- end -}}
