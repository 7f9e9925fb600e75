{{/* What both charts' notes warn of. Both charts have this file, but for the charts' names. */}}

{{- define "meterbook-agent.registryWarning" -}}
{{- if not (or .Values.global.image.registry .Values.image.registry .Values.image.digest (contains "/" .Values.image.repository)) }}

WARNING: the image {{ include "meterbook-agent.image" (dict "root" . "image" .Values.image) }} names no registry. Nodes that do not have it already look for it in a public one, where it is not: pods then
wait with ErrImagePull. Push it to a registry that nodes can reach, and give --set global.image.registry=REGISTRY
{{- end }}
{{- end -}}
