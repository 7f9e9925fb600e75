{{/* Claims of a StatefulSet, and what a cluster does not let be changed in a workload that is there: told before it is refused. Both charts have
this file, but for the charts' names. */}}

{{/* What each pod's claim is made of, for {root, name}. */}}
{{- define "meterbook-ledger.claimTemplate" -}}
metadata:
  name: {{ .name }}
  labels:
    {{- toYaml (merge (include "meterbook-ledger.selector" .root | fromYaml) (.root.Values.persistence.labels | default dict)) | nindent 4 }}
  {{- with .root.Values.persistence.annotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  {{- include "meterbook-ledger.claimSpec" .root | nindent 2 }}
{{- end -}}

{{/* Of {root, kind, claim}, where claim is empty without claims: looks at the workload that is to be upgraded. Where templates are only rendered there is none to see. */}}
{{- define "meterbook-ledger.unchangeable" -}}
{{- $name := include "meterbook-ledger.fullname" .root -}}
{{- $namespace := include "meterbook-ledger.namespace" .root -}}
{{- with (lookup "apps/v1" .kind $namespace $name).spec -}}
{{- if ne (toJson .selector.matchLabels) (include "meterbook-ledger.selector" $.root | fromYaml | toJson) -}}
{{- fail (printf "%s %s finds its pods by the labels %s, and a cluster does not let them be changed: leave the chart's name and nameOverride as they were, or install another release beside this one" $.kind $name (toJson .selector.matchLabels)) -}}
{{- end -}}
{{- $old := .volumeClaimTemplates | default list | first | default dict -}}
{{- $new := dict -}}
{{- if $.claim -}}{{- $new = include "meterbook-ledger.claimTemplate" (dict "root" $.root "name" $.claim) | fromYaml -}}{{- end -}}
{{- $was := include "meterbook-ledger.claimKept" $old | fromYaml -}}
{{- $is := include "meterbook-ledger.claimKept" $new | fromYaml -}}
{{- range $key := concat (keys $was) (keys $is) | uniq | sortAlpha -}}
{{- $before := hasKey $was $key | ternary (get $was $key | toJson) "none" -}}
{{- $after := hasKey $is $key | ternary (get $is $key | toJson) "none" -}}
{{- if ne $before $after -}}
{{- fail (printf "persistence: StatefulSet %s was made for volumes with the %s %s, and these values say %s, which a cluster does not let be changed. Say what was said; or change the claims themselves where that can be done, let go of the StatefulSet with 'kubectl -n %s delete statefulset %s --cascade=orphan', which leaves pods and claims, and upgrade again" $name $key $before $after $namespace $name) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* What counts in a claim's template: less what an API server adds, and a size in bytes. */}}
{{- define "meterbook-ledger.claimKept" -}}
{{- $kept := omit (include "meterbook-ledger.pruned" (.spec | default dict) | fromYaml) "volumeMode" "resources" -}}
{{- with .spec -}}
{{- $bytes := include "meterbook-ledger.bytes" .resources.requests.storage -}}
{{- $_ := set $kept "size" (ternary .resources.requests.storage (printf "%s bytes" $bytes) (eq $bytes "0")) -}}
{{- end -}}
{{- with .metadata -}}
{{- with .labels -}}{{- $_ := set $kept "labels" . -}}{{- end -}}
{{- with .annotations -}}{{- $_ := set $kept "annotations" . -}}{{- end -}}
{{- end -}}
{{- toYaml $kept -}}
{{- end -}}

{{/* A map less what says nothing: an API server adds that to some fields, and takes it from others. */}}
{{- define "meterbook-ledger.pruned" -}}
{{- $kept := dict -}}
{{- range $key, $value := . -}}
{{- if kindIs "map" $value -}}{{- $value = include "meterbook-ledger.pruned" $value | fromYaml -}}{{- end -}}
{{- if or (kindIs "bool" $value) (kindIs "string" $value) (not (empty $value)) -}}{{- $_ := set $kept $key $value -}}{{- end -}}
{{- end -}}
{{- toYaml $kept -}}
{{- end -}}
