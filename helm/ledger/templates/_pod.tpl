{{/* The ledger's pod: the same for a StatefulSet that keeps the book and for a Deployment that does not. */}}

{{- define "meterbook-ledger.pod" -}}
metadata:
  labels:
    {{- include "meterbook-ledger.podLabels" . | nindent 4 }}
  annotations:
    {{- $config := include (print .Template.BasePath "/configmap.yaml") . | sha256sum }}
    {{- toYaml (merge (dict "checksum/config" $config) (.Values.podAnnotations | default dict)) | nindent 4 }}
spec:
  serviceAccountName: {{ include "meterbook-ledger.serviceAccountName" . | quote }}
  automountServiceAccountToken: {{ .Values.serviceAccount.automountServiceAccountToken }}
  enableServiceLinks: false
  terminationGracePeriodSeconds: {{ .Values.terminationGracePeriodSeconds }}
  {{- with .Values.podSecurityContext }}
  securityContext:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with include "meterbook-ledger.pullSecrets" . | trim }}
  {{- . | nindent 2 }}
  {{- end }}
  {{- with include "meterbook-ledger.placement" . | trim }}
  {{- . | nindent 2 }}
  {{- end }}
  {{- if and (eq .Values.mode "distributed") (gt (include "meterbook-ledger.replicas" . | int) 1) (not .Values.topologySpreadConstraints) }}
  # One node, or one zone, must not take all replicas with it.
  topologySpreadConstraints:
    {{- range list "topology.kubernetes.io/zone" "kubernetes.io/hostname" }}
    - topologyKey: {{ . }}
      maxSkew: 1
      whenUnsatisfiable: ScheduleAnyway
      labelSelector:
        matchLabels:
          {{- include "meterbook-ledger.selector" $ | nindent 10 }}
    {{- end }}
  {{- end }}
  {{- with .Values.controller.podSpec }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
  {{- with .Values.initContainers }}
  initContainers:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  containers:
    - name: ledger
      image: {{ include "meterbook-ledger.image" (dict "root" . "image" .Values.image) | quote }}
      imagePullPolicy: {{ include "meterbook-ledger.pullPolicy" . }}
      command: [meterbook]
      args:
        - ledger
        - serve
        - --config=/etc/meterbook/ledger/ledger.yaml
        - --log-level={{ .Values.logLevel }}
        - --log-format={{ .Values.logFormat }}
        {{- with .Values.extraArgs }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      env:
        {{- if eq .Values.mode "distributed" }}
        {{- with include "meterbook-ledger.storeEnv" . | trim }}
        {{- . | nindent 8 }}
        {{- end }}
        {{- end }}
        {{- include "meterbook-ledger.env" . | nindent 8 }}
      {{- with include "meterbook-ledger.envFrom" . | trim }}
      {{- . | nindent 6 }}
      {{- end }}
      ports:
        - {name: grpc, containerPort: {{ .Values.grpc.port }}, protocol: TCP}
        - {name: http, containerPort: {{ .Values.http.port }}, protocol: TCP}
      {{- include "meterbook-ledger.probes" . | nindent 6 }}
      {{- with .Values.resources }}
      resources:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- with .Values.controller.container }}
      {{- toYaml . | nindent 6 }}
      {{- end }}
      {{- with .Values.securityContext }}
      securityContext:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      volumeMounts:
        {{- include "meterbook-ledger.mounts" . | nindent 8 }}
    {{- with .Values.extraContainers }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  volumes:
    {{- include "meterbook-ledger.volumes" . | nindent 4 }}
{{- end -}}

{{/* What opens PostgreSQL and S3: from Secrets alone. */}}
{{- define "meterbook-ledger.storeEnv" -}}
{{- $postgresql := .Values.distributed.postgresql }}
{{- $s3 := .Values.distributed.s3 }}
{{- with $postgresql.existingSecret }}
- name: PGPASSWORD
  valueFrom:
    secretKeyRef: {name: {{ . | quote }}, key: {{ $postgresql.passwordKey | quote }}}
{{- end }}
{{- if $postgresql.tls.existingSecret }}
- {name: PGSSLMODE, value: verify-full}
- {name: PGSSLROOTCERT, value: {{ printf "/etc/meterbook/postgresql/%s" $postgresql.tls.caKey | quote }}}
{{- end }}
{{- with $s3.existingSecret }}
- name: AWS_ACCESS_KEY_ID
  valueFrom:
    secretKeyRef: {name: {{ . | quote }}, key: {{ $s3.accessKeyIdKey | quote }}}
- name: AWS_SECRET_ACCESS_KEY
  valueFrom:
    secretKeyRef: {name: {{ . | quote }}, key: {{ $s3.secretAccessKeyKey | quote }}}
{{- end }}
{{- end -}}

{{/* The Secrets that are mounted, as {"secrets": [{volume, secret}]}. That of the first admin may be deleted once it has done its work, and its token is
void then: of a volume that is not optional the node would keep what was in it. */}}
{{- define "meterbook-ledger.secrets" -}}
{{- $found := list -}}
{{- with .Values.tls.existingSecret -}}{{- $found = append $found (dict "volume" "tls" "secret" .) -}}{{- end -}}
{{- with .Values.access.adminToken.existingSecret -}}{{- $found = append $found (dict "volume" "admin" "secret" . "optional" true) -}}{{- end -}}
{{- with .Values.proof.existingSecret -}}{{- $found = append $found (dict "volume" "proof" "secret" .) -}}{{- end -}}
{{- if eq .Values.mode "distributed" -}}
{{- with .Values.distributed.postgresql.tls.existingSecret -}}{{- $found = append $found (dict "volume" "postgresql" "secret" .) -}}{{- end -}}
{{- end -}}
{{- toYaml (dict "secrets" $found) -}}
{{- end -}}

{{- define "meterbook-ledger.mounts" -}}
- {name: config, mountPath: /etc/meterbook/ledger, readOnly: true}
{{- if eq .Values.mode "embedded" }}
- {name: book, mountPath: /var/lib/meterbook}
{{- end }}
- {name: tmp, mountPath: /tmp}
{{- range (include "meterbook-ledger.secrets" . | fromYaml).secrets }}
- {name: {{ .volume }}, mountPath: /etc/meterbook/{{ .volume }}, readOnly: true}
{{- end }}
{{- with .Values.extraVolumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "meterbook-ledger.volumes" -}}
- name: config
  configMap:
    name: {{ .Values.existingConfigMap | default (include "meterbook-ledger.fullname" .) | quote }}
{{- if eq .Values.mode "embedded" }}
{{- if not .Values.persistence.enabled }}
- name: book
  emptyDir:
    sizeLimit: {{ .Values.persistence.size | quote }}
{{- else if .Values.persistence.existingClaim }}
- name: book
  persistentVolumeClaim:
    claimName: {{ .Values.persistence.existingClaim | quote }}
{{- end }}
{{- end }}
- name: tmp
  emptyDir:
    sizeLimit: {{ .Values.tmp.sizeLimit | quote }}
{{- range (include "meterbook-ledger.secrets" . | fromYaml).secrets }}
- name: {{ .volume }}
  secret:
    secretName: {{ .secret | quote }}
    # The ledger refuses a signing key that others than its group may read.
    defaultMode: 0440
    {{- if .optional }}
    optional: true
    {{- end }}
{{- end }}
{{- with .Values.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end -}}
