{{/* What objects are called and how they are found. Both charts have this file, word for word but for its name. */}}

{{/* A text of at most 50 characters, since what controllers append has to fit into 63. A hash stands for what is cut off, so that two names stay two. */}}
{{- define "meterbook-ledger.short" -}}
{{- if gt (len .) 50 -}}
{{- printf "%s-%s" (trunc 41 . | trimSuffix "-") (sha256sum . | trunc 8) -}}
{{- else -}}
{{- . -}}
{{- end -}}
{{- end -}}

{{/* The chart's own name, or the alias that it has as a part of another chart, in the letters that names of objects have. */}}
{{- define "meterbook-ledger.name" -}}
{{- $chart := .Chart.Name | replace "_" "-" | replace "." "-" -}}
{{- include "meterbook-ledger.short" (.Values.nameOverride | default (regexReplaceAll "([a-z0-9])([A-Z])" $chart "${1}-${2}" | lower)) -}}
{{- end -}}

{{/* The release comes first, unless it begins with a digit: names of Services do not. */}}
{{- define "meterbook-ledger.fullname" -}}
{{- $name := include "meterbook-ledger.name" . -}}
{{- $release := .Release.Name -}}
{{- $both := regexMatch "^[0-9]" $release | ternary (printf "%s-%s" $name $release) (printf "%s-%s" $release $name) -}}
{{- include "meterbook-ledger.short" (.Values.fullnameOverride | default (contains $name $release | ternary $release $both)) -}}
{{- end -}}

{{- define "meterbook-ledger.namespace" -}}
{{- default .Release.Namespace .Values.namespaceOverride -}}
{{- end -}}

{{/* Objects of the cluster stand beside those of other namespaces. No namespace has a dot in its name, so two releases never have one name. */}}
{{- define "meterbook-ledger.clusterName" -}}
{{- printf "%s.%s" (include "meterbook-ledger.namespace" .) (include "meterbook-ledger.fullname" .) -}}
{{- end -}}

{{/* What selects the pods; it never changes, since selectors cannot be changed. */}}
{{- define "meterbook-ledger.selector" -}}
{{- $component := include "meterbook-ledger.component" . -}}
{{- toYaml (dict "app.kubernetes.io/name" (include "meterbook-ledger.name" .) "app.kubernetes.io/instance" .Release.Name "app.kubernetes.io/component" $component) -}}
{{- end -}}

{{/* The same for the pods of `helm test`, which must not be taken for those that serve. */}}
{{- define "meterbook-ledger.testSelector" -}}
{{- $component := printf "%s-test" (include "meterbook-ledger.component" .) -}}
{{- toYaml (set (include "meterbook-ledger.selector" . | fromYaml) "app.kubernetes.io/component" $component) -}}
{{- end -}}

{{/* A label's value of a version: the tag of an image may go on with @ and a digest. */}}
{{- define "meterbook-ledger.version" -}}
{{- splitList "@" . | first | replace "+" "_" | trunc 63 | trimAll "-_." -}}
{{- end -}}

{{- define "meterbook-ledger.labelsOf" -}}
{{- $own := fromYaml .selector -}}
{{- $_ := set $own "helm.sh/chart" (include "meterbook-ledger.version" (printf "%s-%s" .root.Chart.Name .root.Chart.Version)) -}}
{{- $_ := set $own "app.kubernetes.io/version" (include "meterbook-ledger.version" (default .root.Chart.AppVersion .root.Values.image.tag)) -}}
{{- $_ := set $own "app.kubernetes.io/part-of" "meterbook" -}}
{{- $_ := set $own "app.kubernetes.io/managed-by" .root.Release.Service -}}
{{- toYaml (merge $own (.root.Values.commonLabels | default dict)) -}}
{{- end -}}

{{- define "meterbook-ledger.labels" -}}
{{- include "meterbook-ledger.labelsOf" (dict "root" . "selector" (include "meterbook-ledger.selector" .)) -}}
{{- end -}}

{{- define "meterbook-ledger.testLabels" -}}
{{- include "meterbook-ledger.labelsOf" (dict "root" . "selector" (include "meterbook-ledger.testSelector" .)) -}}
{{- end -}}

{{/* Labels of pods: those of everything, and the user's. */}}
{{- define "meterbook-ledger.podLabels" -}}
{{- toYaml (merge (include "meterbook-ledger.labels" . | fromYaml) (.Values.podLabels | default dict)) -}}
{{- end -}}

{{/* The metadata of an object of {root, suffix, namespace, labels, annotations}; all but root may be missing. */}}
{{- define "meterbook-ledger.metadata" -}}
{{- $labels := merge (include "meterbook-ledger.labels" .root | fromYaml) (.labels | default dict) -}}
{{- $found := dict "name" (print (include "meterbook-ledger.fullname" .root) (.suffix | default "")) "labels" $labels -}}
{{- $_ := set $found "namespace" (.namespace | default (include "meterbook-ledger.namespace" .root)) -}}
{{- with .annotations -}}{{- $_ := set $found "annotations" . -}}{{- end -}}
{{- toYaml $found -}}
{{- end -}}

{{- define "meterbook-ledger.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "meterbook-ledger.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{/* An image of {registry, repository, tag, digest}; what is global wins, so that one setting moves all to a mirror. */}}
{{- define "meterbook-ledger.image" -}}
{{- $registry := default .image.registry .root.Values.global.image.registry -}}
{{- $name := .image.repository -}}
{{- if $registry -}}{{- $name = printf "%s/%s" $registry $name -}}{{- end -}}
{{- if .image.digest -}}
{{- printf "%s@%s" $name .image.digest -}}
{{- else -}}
{{- printf "%s:%s" $name (default .root.Chart.AppVersion .image.tag) -}}
{{- end -}}
{{- end -}}

{{- define "meterbook-ledger.pullPolicy" -}}
{{- default .Values.image.pullPolicy .Values.global.image.pullPolicy -}}
{{- end -}}
