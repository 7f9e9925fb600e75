{{/* The agent's pod: the same for a Deployment and for a StatefulSet. */}}

{{- define "meterbook-agent.pod" -}}
metadata:
  labels:
    {{- include "meterbook-agent.podLabels" . | nindent 4 }}
  annotations:
    {{- $config := include (print .Template.BasePath "/configmap.yaml") . | sha256sum }}
    {{- toYaml (merge (dict "checksum/config" $config) (.Values.podAnnotations | default dict)) | nindent 4 }}
spec:
  serviceAccountName: {{ include "meterbook-agent.serviceAccountName" . | quote }}
  {{- $token := .Values.serviceAccount.automountServiceAccountToken }}
  automountServiceAccountToken: {{ ternary (eq "yes" (include "meterbook-agent.readsCluster" . | trunc 3)) $token (kindIs "invalid" $token) }}
  enableServiceLinks: false
  terminationGracePeriodSeconds: {{ .Values.terminationGracePeriodSeconds }}
  {{- with .Values.podSecurityContext }}
  securityContext:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with include "meterbook-agent.pullSecrets" . | trim }}
  {{- . | nindent 2 }}
  {{- end }}
  {{- with include "meterbook-agent.placement" . | trim }}
  {{- . | nindent 2 }}
  {{- end }}
  {{- with .Values.controller.podSpec }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
  {{- with .Values.initContainers }}
  initContainers:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  containers:
    - name: agent
      image: {{ include "meterbook-agent.image" (dict "root" . "image" .Values.image) | quote }}
      imagePullPolicy: {{ include "meterbook-agent.pullPolicy" . }}
      command: [meterbook]
      args:
        - agent
        - run
        - --config=/etc/meterbook/agent/{{ eq .Values.controller.type "statefulset" | ternary "$(POD_NAME)" "agent" }}.yaml
        - --log-level={{ .Values.logLevel }}
        - --log-format={{ .Values.logFormat }}
        {{- with .Values.extraArgs }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      env:
        {{- if eq .Values.controller.type "statefulset" }}
        - name: POD_NAME
          valueFrom:
            fieldRef:
              fieldPath: metadata.name
        {{- end }}
        {{- include "meterbook-agent.env" . | nindent 8 }}
      {{- with include "meterbook-agent.envFrom" . | trim }}
      {{- . | nindent 6 }}
      {{- end }}
      ports:
        - {name: http, containerPort: {{ .Values.http.port }}, protocol: TCP}
      {{- include "meterbook-agent.probes" . | nindent 6 }}
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
        {{- include "meterbook-agent.mounts" . | nindent 8 }}
    {{- with .Values.extraContainers }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  volumes:
    {{- include "meterbook-agent.volumes" . | nindent 4 }}
{{- end -}}

{{- define "meterbook-agent.mounts" -}}
- {name: config, mountPath: /etc/meterbook/agent, readOnly: true}
- {name: spool, mountPath: /var/lib/meterbook}
- {name: tmp, mountPath: /tmp}
{{- if .Values.ledger.tls.existingSecret }}
- {name: tls, mountPath: /etc/meterbook/tls, readOnly: true}
{{- end }}
{{- if .Values.ledger.key.existingSecret }}
- {name: key, mountPath: /etc/meterbook/key, readOnly: true}
{{- else if .Values.ledger.token.existingSecret }}
- {name: invitation, mountPath: /etc/meterbook/invitation, readOnly: true}
{{- end }}
{{- with .Values.extraVolumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "meterbook-agent.volumes" -}}
- name: config
  projected:
    sources:
      {{- if or (not .Values.existingConfigMap) .Values.ledger.tls.ca }}
      - configMap: {name: {{ include "meterbook-agent.fullname" . | quote }}}
      {{- end }}
      {{- with .Values.existingConfigMap }}
      - configMap: {name: {{ . | quote }}}
      {{- end }}
{{- if not .Values.persistence.enabled }}
- name: spool
  emptyDir:
    sizeLimit: {{ .Values.persistence.size | quote }}
{{- else if eq .Values.controller.type "deployment" }}
- name: spool
  persistentVolumeClaim:
    claimName: {{ .Values.persistence.existingClaim | default (include "meterbook-agent.fullname" .) | quote }}
{{- end }}
- name: tmp
  emptyDir:
    sizeLimit: 64Mi
{{- with .Values.ledger.tls }}
{{- if .existingSecret }}
- name: tls
  secret:
    secretName: {{ .existingSecret | quote }}
    defaultMode: 0440
    # What is named and no more: the Secret may be the ledger's own, with its private key.
    items:
      {{- range list .caKey .certKey .keyKey | compact }}
      - {key: {{ . | quote }}, path: {{ . | quote }}}
      {{- end }}
{{- end }}
{{- end }}
{{- if .Values.ledger.key.existingSecret }}
- name: key
  secret:
    secretName: {{ .Values.ledger.key.existingSecret | quote }}
    defaultMode: 0440
{{- else if .Values.ledger.token.existingSecret }}
- name: invitation
  secret:
    secretName: {{ .Values.ledger.token.existingSecret | quote }}
    defaultMode: 0440
    # It works once, and may be deleted then.
    optional: true
{{- end }}
{{- with .Values.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end -}}
