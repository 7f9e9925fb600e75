{{/* What objects are called and how they are found. Both charts have this file, word for word. */}}

{{- define "meterbook.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 50 | trimSuffix "-" -}}
{{- end -}}

{{/* At most 50 characters: what controllers append has to fit into 63. */}}
{{- define "meterbook.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- $name := include "meterbook.name" . -}}
{{- if contains $name .Release.Name -}}
{{- .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 50 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "meterbook.namespace" -}}
{{- default .Release.Namespace .Values.namespaceOverride -}}
{{- end -}}

{{/* Objects of the cluster stand beside those of other namespaces. */}}
{{- define "meterbook.clusterName" -}}
{{- printf "%s-%s" (include "meterbook.namespace" .) (include "meterbook.fullname" .) -}}
{{- end -}}

{{- define "meterbook.component" -}}
{{- trimPrefix "meterbook-" .Chart.Name -}}
{{- end -}}

{{/* What selects the pods; it never changes, since selectors cannot be changed. */}}
{{- define "meterbook.selector" -}}
app.kubernetes.io/name: {{ include "meterbook.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: {{ include "meterbook.component" . }}
{{- end -}}

{{/* The same for the pods of `helm test`, which must not be taken for those that serve. */}}
{{- define "meterbook.testSelector" -}}
app.kubernetes.io/name: {{ include "meterbook.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: {{ include "meterbook.component" . }}-test
{{- end -}}

{{- define "meterbook.labelsOf" -}}
{{- $own := fromYaml .selector -}}
{{- $_ := set $own "helm.sh/chart" (printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-") -}}
{{- $_ := set $own "app.kubernetes.io/version" (default .root.Chart.AppVersion .root.Values.image.tag | replace "+" "_" | trunc 63 | trimSuffix "-") -}}
{{- $_ := set $own "app.kubernetes.io/part-of" "meterbook" -}}
{{- $_ := set $own "app.kubernetes.io/managed-by" .root.Release.Service -}}
{{- toYaml (merge $own .root.Values.commonLabels) -}}
{{- end -}}

{{- define "meterbook.labels" -}}
{{- include "meterbook.labelsOf" (dict "root" . "selector" (include "meterbook.selector" .)) -}}
{{- end -}}

{{- define "meterbook.testLabels" -}}
{{- include "meterbook.labelsOf" (dict "root" . "selector" (include "meterbook.testSelector" .)) -}}
{{- end -}}

{{/* Labels of pods: those of everything, and the user's. */}}
{{- define "meterbook.podLabels" -}}
{{- toYaml (merge (include "meterbook.labels" . | fromYaml) .Values.podLabels) -}}
{{- end -}}

{{- define "meterbook.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "meterbook.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{/* An image of {registry, repository, tag, digest}; what is global wins, so that one setting moves all to a mirror. */}}
{{- define "meterbook.image" -}}
{{- $registry := default .image.registry .root.Values.global.image.registry -}}
{{- $name := .image.repository -}}
{{- if $registry -}}{{- $name = printf "%s/%s" $registry $name -}}{{- end -}}
{{- if .image.digest -}}
{{- printf "%s@%s" $name .image.digest -}}
{{- else -}}
{{- printf "%s:%s" $name (default .root.Chart.AppVersion .image.tag) -}}
{{- end -}}
{{- end -}}
