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

{{/* {"namespaces": [...]} in which there is a role; an empty one stands for the whole cluster. */}}
{{- define "meterbook-agent.roleNamespaces" -}}
{{- $namespaces := list -}}
{{- range (include "meterbook-agent.permissions" . | fromYaml).permissions -}}
{{- $namespaces = append $namespaces .namespace -}}
{{- end -}}
{{- if .Values.rbac.extraRules -}}
{{- $namespaces = concat $namespaces (.Values.rbac.namespaces | default (list "")) -}}
{{- end -}}
{{- toYaml (dict "namespaces" ($namespaces | uniq | sortAlpha)) -}}
{{- end -}}

{{/* What `kubectl auth can-i` is asked to show that each thing that the sources need is granted, one verb for each: {"questions": [...]}. */}}
{{- define "meterbook-agent.granted" -}}
{{- $questions := list -}}
{{- range (include "meterbook-agent.permissions" . | fromYaml).permissions -}}
{{- $parts := splitList "/" .resource -}}
{{- $resource := empty .group | ternary (first $parts) (printf "%s.%s" (first $parts) .group) -}}
{{- $subresource := eq (len $parts) 2 | ternary (printf " --subresource=%s" (last $parts)) "" -}}
{{- $where := empty .namespace | ternary "--all-namespaces" (printf "-n %s" .namespace) -}}
{{- $questions = append $questions (printf "%s %s%s %s" (first .verbs) $resource $subresource $where) -}}
{{- end -}}
{{- toYaml (dict "questions" (uniq $questions)) -}}
{{- end -}}

{{/* The same of what is not granted: less the reading of ConfigMaps where rules of the user's own grant it. */}}
{{- define "meterbook-agent.refused" -}}
{{- $questions := list "get secrets" "list configmaps" "create pods" "create pods --subresource=exec" "get nodes --subresource=proxy" "patch nodes" "delete pods" "update deployments.apps" "create serviceaccounts --subresource=token" "impersonate users" "escalate clusterroles.rbac.authorization.k8s.io" "'*' '*'" -}}
{{- range .Values.rbac.extraRules -}}
{{- if and (has "configmaps" (.resources | default list)) (has "list" .verbs) -}}
{{- $questions = without $questions "list configmaps" -}}
{{- end -}}
{{- end -}}
{{- toYaml (dict "questions" $questions) -}}
{{- end -}}
