{{/* What every pod of a chart has: who it is, where it runs, what it may. Both charts have this file, word for word. */}}

{{- define "meterbook.pullSecrets" -}}
{{- with concat .Values.global.image.pullSecrets .Values.image.pullSecrets | uniq -}}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* Where pods run. */}}
{{- define "meterbook.placement" -}}
{{- with .Values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with .Values.runtimeClassName }}
runtimeClassName: {{ . }}
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
{{- $selector := dict "matchLabels" (include "meterbook.selector" . | fromYaml) }}
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
{{- define "meterbook.env" -}}
- name: HOME
  value: /tmp
{{- with .Values.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "meterbook.envFrom" -}}
{{- with .Values.extraEnvFrom -}}
envFrom:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* All three ask the pages that the process serves. */}}
{{- define "meterbook.probes" -}}
startupProbe:
  httpGet: {path: /healthz, port: http}
  {{- toYaml .Values.startupProbe | nindent 2 }}
readinessProbe:
  httpGet: {path: /readyz, port: http}
  {{- toYaml .Values.readinessProbe | nindent 2 }}
livenessProbe:
  httpGet: {path: /healthz, port: http}
  {{- toYaml .Values.livenessProbe | nindent 2 }}
{{- end -}}

{{/* The metadata of a claim, whether it stands by itself or in a StatefulSet, and what it asks for. */}}
{{- define "meterbook.claimSpec" -}}
accessModes: [ReadWriteOnce]
{{- with .Values.persistence.storageClass }}
storageClassName: {{ . | quote }}
{{- end }}
resources:
  requests:
    storage: {{ .Values.persistence.size }}
{{- end -}}

{{/* Bytes of a quantity such as 2Gi; 0 for a form that is not known. */}}
{{- define "meterbook.bytes" -}}
{{- $factors := dict "" 1 "k" 1000 "M" 1000000 "G" 1000000000 "T" 1000000000000 "Ki" 1024 "Mi" 1048576 "Gi" 1073741824 "Ti" 1099511627776 -}}
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
{{- define "meterbook.podIdentityEgress" -}}
- to:
    - ipBlock: {cidr: 169.254.170.23/32}
    - ipBlock: {cidr: fd00:ec2::23/128}
  ports:
    - {protocol: TCP, port: 80}
{{- end -}}

{{/* A way out to some ports: of everybody where nobody is named. */}}
{{- define "meterbook.egress" -}}
{{- $ports := list -}}
{{- range .ports -}}{{- $ports = append $ports (dict "protocol" "TCP" "port" (int .)) -}}{{- end -}}
{{- $rule := dict "ports" $ports -}}
{{- with .to -}}{{- $_ := set $rule "to" . -}}{{- end -}}
{{- toYaml (list $rule) -}}
{{- end -}}

{{- define "meterbook.dnsEgress" -}}
{{- $ports := list -}}
{{- range .Values.networkPolicy.dnsPorts -}}
{{- $ports = concat $ports (list (dict "protocol" "UDP" "port" (int .)) (dict "protocol" "TCP" "port" (int .))) -}}
{{- end -}}
{{- $rule := dict "ports" $ports -}}
{{- with .Values.networkPolicy.dnsTo -}}{{- $_ := set $rule "to" . -}}{{- end -}}
{{- toYaml (list $rule) -}}
{{- end -}}
