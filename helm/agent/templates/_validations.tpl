{{/* What a schema cannot say: values that do not fit together, each with what to do instead. */}}

{{- define "meterbook-agent.validations" -}}
{{- include "meterbook-agent.validations.forms" . -}}
{{- include "meterbook-agent.validations.identity" . -}}
{{- include "meterbook-agent.validations.shards" . -}}
{{- include "meterbook-agent.validations.spool" . -}}
{{- include "meterbook-agent.validations.namespaces" . -}}
{{- include "meterbook-agent.validations.rules" . -}}
{{- include "meterbook-agent.validations.network" . -}}
{{- include "meterbook-agent.validations.alerts" . -}}
{{- if and .Values.metrics.serviceMonitor.enabled .Values.metrics.podMonitor.enabled -}}
{{- fail "metrics.serviceMonitor and metrics.podMonitor would both scrape the agent: enable one of them" -}}
{{- end -}}
{{- end -}}

{{- define "meterbook-agent.validations.identity" -}}
{{- if not .Values.existingConfigMap -}}
{{- if not .Values.agentName -}}
{{- fail "agentName is missing: give the agent a name that is stable and unique at its ledger, such as --set agentName=acme-prod" -}}
{{- end -}}
{{- if not .Values.ledger.endpoint -}}
{{- fail "ledger.endpoint is missing: say where the ledger is as host:port, such as --set ledger.endpoint=ledger.example.com:9460" -}}
{{- end -}}
{{- if not .Values.config.sources -}}
{{- fail "config.sources is empty: name at least one, such as {kind: kubernetes, cluster: prod}, or give existingConfigMap" -}}
{{- end -}}
{{- end -}}
{{- if and .Values.existingConfigMap .Values.test.enabled .Values.test.token.existingSecret (not (and .Values.agentName .Values.ledger.endpoint)) -}}
{{- fail "test.token asks the ledger about the agent: say agentName and ledger.endpoint as they stand in existingConfigMap, or leave test.token out" -}}
{{- end -}}
{{- with include "meterbook-agent.agentName" . -}}
{{- include "meterbook-agent.form" (dict "place" "agentName" "value" . "pattern" "^[a-z0-9][a-z0-9.-]{0,57}$" "wanted" "use small letters, digits, dots and hyphens, at most 58 of them, such as acme-prod") -}}
{{- end -}}
{{- with include "meterbook-agent.endpoint" . -}}
{{- $port := "([1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])" -}}
{{- $pattern := printf "^(\\[[0-9a-fA-F:.]+\\]|[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?[.]?):%s$" $port -}}
{{- include "meterbook-agent.form" (dict "place" "ledger.endpoint" "value" . "pattern" $pattern "wanted" "give the host and the port and nothing else, such as ledger.example.com:9460") -}}
{{- end -}}
{{- $tls := .Values.ledger.tls -}}
{{- if and $tls.ca (not (regexMatch "-----BEGIN (TRUSTED )?CERTIFICATE-----" $tls.ca)) -}}
{{- fail "ledger.tls.ca has no certificate in PEM: give one, such as --set-file ledger.tls.ca=ca.crt" -}}
{{- end -}}
{{- if and $tls.insecure $tls.serverName -}}
{{- fail "ledger.tls.serverName is the name in a certificate, and with ledger.tls.insecure there is none: remove one of them" -}}
{{- end -}}
{{- if and $tls.insecure (or $tls.ca $tls.existingSecret) -}}
{{- fail "ledger.tls.insecure sends usage in the clear, and ledger.tls.ca or existingSecret encrypts it: remove one of them" -}}
{{- end -}}
{{- if ne (empty $tls.certKey) (empty $tls.keyKey) -}}
{{- fail "ledger.tls.certKey and ledger.tls.keyKey go together: give both, or none where the ledger asks for no certificate" -}}
{{- end -}}
{{- if and $tls.existingSecret (not $tls.caKey) (not $tls.certKey) -}}
{{- fail "ledger.tls.existingSecret is given, and none of its keys: name caKey, or certKey and keyKey" -}}
{{- end -}}
{{- if and $tls.certKey (not $tls.existingSecret) -}}
{{- fail "ledger.tls.certKey is a key in a Secret: name the Secret in ledger.tls.existingSecret" -}}
{{- end -}}
{{- if and .Values.ledger.key.existingSecret .Values.ledger.token.existingSecret -}}
{{- fail "ledger.key is the agent's key, and ledger.token an invitation to make one: give one of them" -}}
{{- end -}}
{{- end -}}

{{- define "meterbook-agent.validations.shards" -}}
{{- $shards := int .Values.controller.shards -}}
{{- if eq .Values.controller.type "statefulset" -}}
{{- include "meterbook-agent.validations.controller" (dict "root" . "kind" "StatefulSet" "fields" (list "minReadySeconds" "persistentVolumeClaimRetentionPolicy" "updateStrategy")) -}}
{{- else -}}
{{- include "meterbook-agent.validations.controller" (dict "root" . "kind" "Deployment" "fields" (list "minReadySeconds" "paused" "progressDeadlineSeconds")) -}}
{{- end -}}
{{- if and (gt $shards 1) (ne .Values.controller.type "statefulset") -}}
{{- fail (printf "controller.shards is %d, and agents that divide nodes each need a spool and a name of their own: set controller.type=statefulset" $shards) -}}
{{- end -}}
{{- if and (eq .Values.controller.type "statefulset") .Values.persistence.existingClaim -}}
{{- fail "persistence.existingClaim is one volume, and each pod of a statefulset has its own: leave it out, or set controller.type=deployment" -}}
{{- end -}}
{{- if gt $shards 1 -}}
{{- range .Values.config.sources -}}
{{- if .shard -}}
{{- fail (printf "config.sources: %s has shard %s, and controller.shards divides the nodes already: remove one of them" .kind .shard) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "meterbook-agent.validations.spool" -}}
{{- if and (not .Values.persistence.enabled) .Values.ledger.token.existingSecret -}}
{{- fail "persistence.enabled is false, and ledger.token is an invitation that works once: the key that is made of it would be lost with the pod. Enable persistence, or give the agent's key in ledger.key.existingSecret" -}}
{{- end -}}
{{- $size := include "meterbook-agent.bytes" .Values.persistence.size | int64 -}}
{{- $needed := divf (mulf (float64 .Values.config.spool.bytes_max) 5.0) 4.0 | int64 -}}
{{- if and $size (lt $size $needed) (not .Values.existingConfigMap) (not .Values.persistence.existingClaim) -}}
{{- fail (printf "persistence.size %s is %d bytes, and a spool of config.spool.bytes_max %d needs a quarter more, %d, for its log and what is free: enlarge the volume or lower bytes_max" .Values.persistence.size $size (int64 .Values.config.spool.bytes_max) $needed) -}}
{{- end -}}
{{- end -}}

{{- define "meterbook-agent.validations.namespaces" -}}
{{- if and .Values.rbac.create (not .Values.serviceAccount.create) (eq (.Values.serviceAccount.name | default "default") "default") (or .Values.rbac.extraRules (include "meterbook-agent.readsCluster" .)) -}}
{{- fail "serviceAccount.create is false, and the role would go to the namespace's default account, which every pod there has: name another in serviceAccount.name, or set rbac.create=false" -}}
{{- end -}}
{{- $namespaces := .Values.rbac.namespaces -}}
{{- if $namespaces -}}
{{- range .Values.config.sources -}}
{{- if eq .kind "kubernetes" -}}
{{- fail "rbac.namespaces grants Roles, and a source of kind kubernetes reads nodes and volumes, which are in no namespace: leave rbac.namespaces empty, or the source out" -}}
{{- end -}}
{{- $own := .namespaces -}}
{{- if eq .kind "prometheus" -}}{{- $own = (.kubernetes | default dict).namespaces -}}{{- end -}}
{{- range $own -}}
{{- if not (has . $namespaces) -}}
{{- fail (printf "config.sources: namespace %s is not one of rbac.namespaces: add it there, or remove it here" .) -}}
{{- end -}}
{{- end -}}
{{- if hasKey . "namespace_selector" -}}
{{- fail "config.sources: namespace_selector looks at all namespaces, and rbac.namespaces grants some: remove one of them" -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "meterbook-agent.validations.network" -}}
{{- if and .Values.networkPolicy.enabled (not (include "meterbook-agent.endpoint" .)) -}}
{{- fail "ledger.endpoint is missing: the network policy opens the way to it. Say it as it stands in existingConfigMap, or set networkPolicy.enabled=false" -}}
{{- end -}}
{{- end -}}

{{- define "meterbook-agent.validations.rules" -}}
{{- range .Values.rbac.extraRules -}}
{{- if and .nonResourceURLs $.Values.rbac.namespaces -}}
{{- fail "rbac.extraRules: nonResourceURLs are in no namespace, and rbac.namespaces grants Roles: leave one of them out" -}}
{{- end -}}
{{- range .nonResourceURLs -}}
{{- if not (regexMatch "^/(metrics|version|healthz|livez|readyz)(/[a-z0-9_-]+)*$" .) -}}
{{- fail (printf "rbac.extraRules: the path %s is refused, since wildcards, profiles and logs give more than reading usage: name /metrics, /version, /healthz, /livez, /readyz or what is below them" .) -}}
{{- end -}}
{{- end -}}
{{- range .verbs -}}
{{- if not (has . (list "get" "list" "watch")) -}}
{{- fail (printf "rbac.extraRules: the verb %s is refused, since an agent reads and nothing else: use get, list and watch" .) -}}
{{- end -}}
{{- end -}}
{{- range .resources -}}
{{- if or (contains "*" .) (eq "secrets" (splitList "/" . | first)) (regexMatch "/(proxy|exec|attach|portforward)$" .) -}}
{{- fail (printf "rbac.extraRules: %s is refused: secrets, wildcards and doors such as nodes/proxy and pods/exec give more than reading" .) -}}
{{- end -}}
{{- end -}}
{{- range .apiGroups -}}
{{- if contains "*" . -}}
{{- fail "rbac.extraRules: name the API groups, a wildcard is all that will ever be" -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
