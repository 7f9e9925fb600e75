{{/* The ledger's configuration, as the ledger checks it. */}}

{{- define "meterbook-ledger.config" -}}
{{- $values := .Values -}}
{{- $config := dict "listen" (printf "%s:%d" $values.grpc.host (int $values.grpc.port)) "http" (printf "%s:%d" $values.http.host (int $values.http.port)) -}}
{{- if eq $values.mode "embedded" -}}
{{- $_ := set $config "store" "file:/var/lib/meterbook/book" -}}
{{- else -}}
{{- $_ := set $config "store" (list $values.distributed.bucket $values.distributed.database) -}}
{{- end -}}
{{- $_ := set $config "drain_s" (int $values.drainSeconds) -}}
{{- if $values.insecure -}}
{{- $_ := set $config "insecure" true -}}
{{- end -}}
{{- if $values.tls.existingSecret -}}
{{- $tls := dict "cert_file" (printf "/etc/meterbook/tls/%s" $values.tls.certKey) "key_file" (printf "/etc/meterbook/tls/%s" $values.tls.keyKey) -}}
{{- with $values.tls.clientCaKey -}}{{- $_ := set $tls "client_ca_file" (printf "/etc/meterbook/tls/%s" .) -}}{{- end -}}
{{- $_ := set $config "tls" $tls -}}
{{- end -}}
{{- $access := dict "anonymous" $values.access.anonymous -}}
{{- if $values.access.adminToken.existingSecret -}}
{{- $_ := set $access "admin_token_file" (printf "/etc/meterbook/admin/%s" $values.access.adminToken.key) -}}
{{- end -}}
{{- $_ := set $config "access" $access -}}
{{- $proof := deepCopy $values.config.proof -}}
{{- if $values.proof.existingSecret -}}
{{- $_ := set $proof "key_file" (printf "/etc/meterbook/proof/%s" $values.proof.key) -}}
{{- end -}}
{{- if $proof -}}{{- $_ := set $config "proof" $proof -}}{{- end -}}
{{- range $part := list "intake" "retention" "metering" "queries" "entitlements" "tracing" -}}
{{- with get $values.config $part -}}{{- $_ := set $config $part . -}}{{- end -}}
{{- end -}}
{{- toYaml $config -}}
{{- end -}}

{{/* How many ledgers there are to be, at least. */}}
{{- define "meterbook-ledger.replicas" -}}
{{- $distributed := .Values.distributed -}}
{{- $several := $distributed.autoscaling.enabled | ternary $distributed.autoscaling.minReplicas ($distributed.replicas | default 2) -}}
{{- eq .Values.mode "embedded" | ternary 1 $several | int -}}
{{- end -}}

{{/* What the Deployment says of them. Where an autoscaler chooses, that is what there are now: a number that went away would be taken for one. Where templates are
only rendered nobody can see it, and nothing is said. */}}
{{- define "meterbook-ledger.deployed" -}}
{{- if .Values.distributed.autoscaling.enabled -}}
{{- with lookup "apps/v1" "Deployment" (include "meterbook-ledger.namespace" .) (include "meterbook-ledger.fullname" .) -}}
{{- .spec.replicas -}}
{{- end -}}
{{- else -}}
{{- include "meterbook-ledger.replicas" . -}}
{{- end -}}
{{- end -}}

{{/* What the pods are, in labels. */}}
{{- define "meterbook-ledger.component" -}}
ledger
{{- end -}}
