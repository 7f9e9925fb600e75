{{/* The agent's configuration, as the agent checks it. */}}

{{/* The sources, as {"sources": [...]}: those of the values, and with rbac.namespaces looking for targets there alone. */}}
{{- define "meterbook-agent.sources" -}}
{{- $namespaces := .Values.rbac.namespaces -}}
{{- $found := list -}}
{{- range .Values.config.sources -}}
{{- $source := deepCopy . -}}
{{- if and $namespaces (eq .kind "prometheus_monitors") (not .namespaces) -}}
{{- $_ := set $source "namespaces" $namespaces -}}
{{- else if and $namespaces (eq .kind "prometheus") .kubernetes -}}
{{- if not .kubernetes.namespaces -}}
{{- $_ := set $source.kubernetes "namespaces" $namespaces -}}
{{- end -}}
{{- end -}}
{{- $found = append $found $source -}}
{{- end -}}
{{- toYaml (dict "sources" $found) -}}
{{- end -}}

{{/* How the ledger is spoken to by the agent {root, name}. */}}
{{- define "meterbook-agent.ledger" -}}
{{- $given := .root.Values.ledger -}}
{{- $ledger := merge (dict "endpoint" (include "meterbook-agent.endpoint" .root)) (deepCopy .root.Values.config.ledger) -}}
{{- $tls := dict -}}
{{- if $given.tls.insecure -}}{{- $_ := set $tls "insecure" true -}}{{- end -}}
{{- if $given.tls.ca -}}
{{- $_ := set $tls "ca_file" "/etc/meterbook/agent/ledger-ca.pem" -}}
{{- else if and $given.tls.existingSecret $given.tls.caKey -}}
{{- $_ := set $tls "ca_file" (printf "/etc/meterbook/tls/%s" $given.tls.caKey) -}}
{{- end -}}
{{- if and $given.tls.existingSecret $given.tls.certKey -}}
{{- $_ := set $tls "cert_file" (printf "/etc/meterbook/tls/%s" $given.tls.certKey) -}}
{{- $_ := set $tls "key_file" (printf "/etc/meterbook/tls/%s" $given.tls.keyKey) -}}
{{- end -}}
{{- with $given.tls.serverName -}}{{- $_ := set $tls "server_name" . -}}{{- end -}}
{{- if $tls -}}{{- $_ := set $ledger "tls" $tls -}}{{- end -}}
{{- $several := eq .root.Values.controller.type "statefulset" -}}
{{- if $given.key.existingSecret -}}
{{- $_ := set $ledger "key_file" (printf "/etc/meterbook/key/%s" (ternary .name $given.key.key $several)) -}}
{{- else if $given.token.existingSecret -}}
{{- $_ := set $ledger "key_file" "/var/lib/meterbook/agent.key" -}}
{{- $_ := set $ledger "enrolment_token_file" (printf "/etc/meterbook/invitation/%s" (ternary .name $given.token.key $several)) -}}
{{- end -}}
{{- if $given.verifierKey -}}{{- $_ := set $ledger "verifier_key" $given.verifierKey -}}{{- end -}}
{{- toYaml $ledger -}}
{{- end -}}

{{/* All of it, for the agent {root, name, shard}: the first shard reads also what cannot be divided. */}}
{{- define "meterbook-agent.config" -}}
{{- $values := .root.Values -}}
{{- $shards := int $values.controller.shards -}}
{{- $sources := list -}}
{{- range (include "meterbook-agent.sources" .root | fromYaml).sources -}}
{{- if and (eq .kind "kubernetes") (gt $shards 1) -}}
{{- $_ := set . "shard" (printf "%d/%d" (int $.shard) $shards) -}}
{{- end -}}
{{- if or (eq (int $.shard) 1) (has .kind (list "kubernetes" "prometheus" "prometheus_monitors")) -}}
{{- $sources = append $sources . -}}
{{- end -}}
{{- end -}}
{{- $config := dict "agent" .name -}}
{{- $_ := set $config "ledger" (include "meterbook-agent.ledger" . | fromYaml) -}}
{{- $_ := set $config "spool" (merge (dict "path" "/var/lib/meterbook/agent.spool") (deepCopy $values.config.spool)) -}}
{{- $_ := set $config "schedule" $values.config.schedule -}}
{{- $_ := set $config "tags" $values.config.tags -}}
{{- $_ := set $config "http" (dict "listen" (printf "%s:%d" $values.http.host (int $values.http.port))) -}}
{{- $_ := set $config "sources" $sources -}}
{{- with $values.config.tracing -}}{{- $_ := set $config "tracing" . -}}{{- end -}}
{{- toYaml $config -}}
{{- end -}}

{{/* Whether any source is of one of the kinds: "yes" or nothing. */}}
{{- define "meterbook-agent.reads" -}}
{{- range .root.Values.config.sources -}}
{{- if has .kind $.kinds -}}yes{{- end -}}
{{- end -}}
{{- end -}}

{{/* Whether any source reads the cluster that the agent runs in: "yes" or nothing. A kubeconfig leads to another one. */}}
{{- define "meterbook-agent.readsCluster" -}}
{{- range .Values.config.sources -}}
{{- if eq .kind "prometheus" -}}
{{- if .kubernetes -}}{{- if not (.kubernetes.api | default dict).kubeconfig -}}yes{{- end -}}{{- end -}}
{{- else if has .kind (list "kubernetes" "prometheus_monitors") -}}
{{- if not (.api | default dict).kubeconfig -}}yes{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* How many agents there are to be. */}}
{{- define "meterbook-agent.replicas" -}}
{{- int .Values.controller.shards -}}
{{- end -}}

{{/* What the pods are, in labels. */}}
{{- define "meterbook-agent.component" -}}
agent
{{- end -}}

{{/* Its name and that of its ledger, which a chart that holds this one may compose. */}}
{{- define "meterbook-agent.agentName" -}}
{{- tpl (.Values.agentName | default "") . -}}
{{- end -}}

{{- define "meterbook-agent.endpoint" -}}
{{- tpl (.Values.ledger.endpoint | default "") . -}}
{{- end -}}
