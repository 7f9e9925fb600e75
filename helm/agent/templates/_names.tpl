{{/* What objects are called and how they are found. Both charts have this file, word for word but for its name. */}}

{{/* A text of at most 50 characters, since what controllers append has to fit into 63. A hash stands for what is cut off, so that two names stay two. */}}
{{- define "meterbook-agent.short" -}}
{{- if gt (len .) 50 -}}
{{- printf "%s-%s" (trunc 41 . | trimSuffix "-") (sha256sum . | trunc 8) -}}
{{- else -}}
{{- . -}}
{{- end -}}
{{- end -}}

{{/* The chart's own name, or the alias that it has as a part of another chart, in the letters that names of objects have. */}}
{{- define "meterbook-agent.name" -}}
{{- $chart := .Chart.Name | replace "_" "-" | replace "." "-" -}}
{{- include "meterbook-agent.short" (.Values.nameOverride | default (regexReplaceAll "([a-z0-9])([A-Z])" $chart "${1}-${2}" | lower)) -}}
{{- end -}}

{{/* The release comes first, unless it begins with a digit: names of Services do not. */}}
{{- define "meterbook-agent.fullname" -}}
{{- $name := include "meterbook-agent.name" . -}}
{{- $release := .Release.Name -}}
{{- $both := regexMatch "^[0-9]" $release | ternary (printf "%s-%s" $name $release) (printf "%s-%s" $release $name) -}}
{{- include "meterbook-agent.short" (.Values.fullnameOverride | default (contains $name $release | ternary $release $both)) -}}
{{- end -}}

{{- define "meterbook-agent.namespace" -}}
{{- default .Release.Namespace .Values.namespaceOverride -}}
{{- end -}}

{{/* Objects of the cluster stand beside those of other namespaces. No namespace has a dot in its name, so two releases never have one name. */}}
{{- define "meterbook-agent.clusterName" -}}
{{- printf "%s.%s" (include "meterbook-agent.namespace" .) (include "meterbook-agent.fullname" .) -}}
{{- end -}}

{{/* What selects the pods; it never changes, since selectors cannot be changed. */}}
{{- define "meterbook-agent.selector" -}}
{{- $component := include "meterbook-agent.component" . -}}
{{- toYaml (dict "app.kubernetes.io/name" (include "meterbook-agent.name" .) "app.kubernetes.io/instance" .Release.Name "app.kubernetes.io/component" $component) -}}
{{- end -}}

{{/* The same for the pods of `helm test`, which must not be taken for those that serve. */}}
{{- define "meterbook-agent.testSelector" -}}
{{- $component := printf "%s-test" (include "meterbook-agent.component" .) -}}
{{- toYaml (set (include "meterbook-agent.selector" . | fromYaml) "app.kubernetes.io/component" $component) -}}
{{- end -}}

{{/* A label's value of a version: the tag of an image may go on with @ and a digest. */}}
{{- define "meterbook-agent.version" -}}
{{- splitList "@" . | first | replace "+" "_" | trunc 63 | trimAll "-_." -}}
{{- end -}}

{{- define "meterbook-agent.labelsOf" -}}
{{- $own := fromYaml .selector -}}
{{- $_ := set $own "helm.sh/chart" (include "meterbook-agent.version" (printf "%s-%s" .root.Chart.Name .root.Chart.Version)) -}}
{{- $_ := set $own "app.kubernetes.io/version" (include "meterbook-agent.version" (default .root.Chart.AppVersion .root.Values.image.tag)) -}}
{{- $_ := set $own "app.kubernetes.io/part-of" "meterbook" -}}
{{- $_ := set $own "app.kubernetes.io/managed-by" .root.Release.Service -}}
{{- toYaml (merge $own (.root.Values.commonLabels | default dict)) -}}
{{- end -}}

{{- define "meterbook-agent.labels" -}}
{{- include "meterbook-agent.labelsOf" (dict "root" . "selector" (include "meterbook-agent.selector" .)) -}}
{{- end -}}

{{- define "meterbook-agent.testLabels" -}}
{{- include "meterbook-agent.labelsOf" (dict "root" . "selector" (include "meterbook-agent.testSelector" .)) -}}
{{- end -}}

{{/* Labels of pods: those of everything, and the user's. */}}
{{- define "meterbook-agent.podLabels" -}}
{{- toYaml (merge (include "meterbook-agent.labels" . | fromYaml) (.Values.podLabels | default dict)) -}}
{{- end -}}

{{/* The metadata of an object of {root, suffix, namespace, labels, annotations}; all but root may be missing. */}}
{{- define "meterbook-agent.metadata" -}}
{{- $labels := merge (include "meterbook-agent.labels" .root | fromYaml) (.labels | default dict) -}}
{{- $found := dict "name" (print (include "meterbook-agent.fullname" .root) (.suffix | default "")) "labels" $labels -}}
{{- $_ := set $found "namespace" (.namespace | default (include "meterbook-agent.namespace" .root)) -}}
{{- with .annotations -}}{{- $_ := set $found "annotations" . -}}{{- end -}}
{{- toYaml $found -}}
{{- end -}}

{{- define "meterbook-agent.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "meterbook-agent.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{/* An image of {registry, repository, tag, digest}; what is global wins, so that one setting moves all to a mirror. */}}
{{- define "meterbook-agent.image" -}}
{{- $registry := default .image.registry .root.Values.global.image.registry -}}
{{- $name := .image.repository -}}
{{- if $registry -}}{{- $name = printf "%s/%s" $registry $name -}}{{- end -}}
{{- if .image.digest -}}
{{- printf "%s@%s" $name .image.digest -}}
{{- else -}}
{{- printf "%s:%s" $name (default .root.Chart.AppVersion .image.tag) -}}
{{- end -}}
{{- end -}}

{{- define "meterbook-agent.pullPolicy" -}}
{{- default .Values.image.pullPolicy .Values.global.image.pullPolicy -}}
{{- end -}}
