{{/* What the pod of `helm test` has in common with the pods that it tests: where they may run, and what a mesh, a proxy or a policy wants
of them, holds for it, too. Both charts have this file, but for the charts' names. */}}

{{- define "meterbook-agent.testMetadata" -}}
name: {{ include "meterbook-agent.fullname" . }}-test
namespace: {{ include "meterbook-agent.namespace" . | quote }}
labels:
  {{- toYaml (merge (include "meterbook-agent.testLabels" . | fromYaml) (.Values.test.podLabels | default dict) (.Values.podLabels | default dict)) | nindent 2 }}
annotations:
  {{- $own := dict "helm.sh/hook" "test" "helm.sh/hook-delete-policy" "before-hook-creation" }}
  # It stays until the next run: its log is read after it has ended.
  {{- toYaml (merge $own (.Values.test.podAnnotations | default dict) (.Values.podAnnotations | default dict)) | nindent 2 }}
{{- end -}}

{{- define "meterbook-agent.testSpec" -}}
restartPolicy: Never
automountServiceAccountToken: false
enableServiceLinks: false
activeDeadlineSeconds: {{ add .Values.test.timeoutSeconds 60 }}
{{- with .Values.podSecurityContext }}
securityContext:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with include "meterbook-agent.pullSecrets" . | trim }}
{{ . }}
{{- end }}
{{- /* How pods are spread over nodes says nothing of one more. */ -}}
{{- with omit (merge (include "meterbook-agent.placement" . | fromYaml) (.Values.controller.podSpec | default dict)) "topologySpreadConstraints" }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* A policy for it, beside which its ways out are said. */}}
{{- define "meterbook-agent.testPolicy" -}}
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: {{ include "meterbook-agent.fullname" . }}-test
  namespace: {{ include "meterbook-agent.namespace" . | quote }}
  labels:
    {{- include "meterbook-agent.testLabels" . | nindent 4 }}
  annotations:
    helm.sh/hook: test
    helm.sh/hook-weight: "-1"
    helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded
spec:
  podSelector:
    matchLabels:
      {{- include "meterbook-agent.testSelector" . | nindent 6 }}
  policyTypes: [Ingress, Egress]
  egress:
    {{- include "meterbook-agent.dnsEgress" . | nindent 4 }}
{{- end -}}

{{/* The commands that run it and show what it says: helm looks for logs in the namespace of the release alone. */}}
{{- define "meterbook-agent.testCommand" -}}
{{- $namespace := include "meterbook-agent.namespace" . -}}
{{- if eq $namespace .Release.Namespace -}}
helm -n {{ .Release.Namespace }} test {{ .Release.Name }} --logs
{{- else -}}
helm -n {{ .Release.Namespace }} test {{ .Release.Name }}; kubectl -n {{ $namespace }} logs {{ include "meterbook-agent.fullname" . }}-test
{{- end -}}
{{- end -}}
