{{/* What the sources need, as a role grants it: files/permissions.json has what the collectors declare. */}}

{{/* {"permissions": [{namespace, group, resource, verbs}]}; without a namespace it is needed in the whole cluster. */}}
{{- define "meterbook-agent.permissions" -}}
{{- $declared := .Files.Get "files/permissions.json" | fromJson -}}
{{- $found := list -}}
{{- range $source := (include "meterbook-agent.sources" . | fromYaml).sources -}}
{{- $needed := list -}}
{{- $namespaces := list -}}
{{- if and (eq .kind "kubernetes") (not (.api | default dict).kubeconfig) -}}
{{- $needed = concat $declared.kubernetes.always (get $declared.kubernetes.usage (default "summary" .usage)) -}}
{{- if not (and (hasKey . "file_io") (not .file_io)) -}}
{{- $needed = concat $needed $declared.kubernetes.file_io -}}
{{- end -}}
{{- else if and (eq .kind "prometheus") .kubernetes -}}
{{- if not (.kubernetes.api | default dict).kubeconfig -}}
{{- $needed = get $declared.prometheus .kubernetes.role -}}
{{- $namespaces = .kubernetes.namespaces | default list -}}
{{- end -}}
{{- else if and (eq .kind "prometheus_monitors") (not (.api | default dict).kubeconfig) -}}
{{- range .monitors | default (list "ServiceMonitor" "PodMonitor") -}}
{{- $needed = concat $needed (get $declared.prometheus_monitors .) -}}
{{- end -}}
{{- if hasKey . "namespace_selector" -}}
{{- $needed = concat $needed $declared.prometheus_monitors.namespace_selector -}}
{{- end -}}
{{- $namespaces = .namespaces | default list -}}
{{- end -}}
{{- range $namespace := $namespaces | default (list "") -}}
{{- range $needed -}}
{{- $found = append $found (merge (dict "namespace" $namespace) .) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- toYaml (dict "permissions" $found) -}}
{{- end -}}

{{/* The rules of {root, namespace}: one for each group and set of verbs, and the user's own. */}}
{{- define "meterbook-agent.rules" -}}
{{- $verbs := dict -}}
{{- range (include "meterbook-agent.permissions" .root | fromYaml).permissions -}}
{{- if eq .namespace $.namespace -}}
{{- $key := printf "%s|%s" .group .resource -}}
{{- $_ := set $verbs $key (concat (get $verbs $key | default list) .verbs | uniq | sortAlpha) -}}
{{- end -}}
{{- end -}}
{{- $grouped := dict -}}
{{- range $key := keys $verbs | sortAlpha -}}
{{- $parts := splitList "|" $key -}}
{{- $rule := printf "%s|%s" (first $parts) (get $verbs $key | join ",") -}}
{{- $_ := set $grouped $rule (append (get $grouped $rule | default list) (last $parts)) -}}
{{- end -}}
{{- range $rule := keys $grouped | sortAlpha }}
{{- $parts := splitList "|" $rule }}
- apiGroups: [{{ first $parts | quote }}]
  resources: {{ get $grouped $rule | toJson }}
  verbs: {{ last $parts | splitList "," | toJson }}
{{- end }}
{{- with .root.Values.rbac.extraRules }}
{{ toYaml . }}
{{- end }}
{{- end -}}
