{{/* What a schema cannot say: values that do not fit together, each with what to do instead. */}}

{{- define "meterbook-ledger.validations" -}}
{{- include "meterbook-ledger.validations.forms" . -}}
{{- if eq .Values.mode "distributed" -}}
{{- include "meterbook-ledger.validations.distributed" . -}}
{{- else -}}
{{- include "meterbook-ledger.validations.embedded" . -}}
{{- end -}}
{{- include "meterbook-ledger.validations.callers" . -}}
{{- include "meterbook-ledger.validations.outside" . -}}
{{- include "meterbook-ledger.validations.alerts" . -}}
{{- if lt (int .Values.terminationGracePeriodSeconds) (add (int .Values.drainSeconds) 30) -}}
{{- fail "terminationGracePeriodSeconds leaves less than 30 seconds after drainSeconds for calls to end and for the store to be closed: raise it, or drain for less" -}}
{{- end -}}
{{- if and .Values.metrics.serviceMonitor.enabled .Values.metrics.podMonitor.enabled -}}
{{- fail "metrics.serviceMonitor and metrics.podMonitor would both scrape the ledger: enable one of them" -}}
{{- end -}}
{{- end -}}

{{- define "meterbook-ledger.validations.distributed" -}}
{{- include "meterbook-ledger.validations.controller" (dict "root" . "kind" "Deployment" "fields" (list "minReadySeconds" "paused" "progressDeadlineSeconds" "strategy")) -}}
{{- $distributed := .Values.distributed -}}
{{- with $distributed.autoscaling -}}
{{- if and .enabled (gt (int .minReplicas) (int .maxReplicas)) -}}
{{- fail (printf "distributed.autoscaling.minReplicas is %d, and maxReplicas %d: raise one, or lower the other" (int .minReplicas) (int .maxReplicas)) -}}
{{- end -}}
{{- if and .enabled $distributed.replicas -}}
{{- fail "distributed.replicas is given, and distributed.autoscaling says how many there are: leave one of them out" -}}
{{- end -}}
{{- end -}}
{{- if not .Values.existingConfigMap -}}
{{- if not (hasPrefix "s3://" ($distributed.bucket | default "")) -}}
{{- fail "distributed.bucket is missing: say where the book's segments are kept, such as s3://company-meterbook/ledger?region=eu-central-1" -}}
{{- end -}}
{{- if not (regexMatch "^postgres(ql)?://" ($distributed.database | default "")) -}}
{{- fail "distributed.database is missing: name the primary, such as postgresql://meterbook@db.example/meterbook" -}}
{{- end -}}
{{- if not .Values.proof.existingSecret -}}
{{- fail "proof.existingSecret is missing: replicas sign with one key, so it is in a Secret. README.md of the chart has the command that makes one" -}}
{{- end -}}
{{- end -}}
{{- $database := $distributed.database | default "" -}}
{{- if or (regexMatch "^[a-z]+://[^/@]*:[^/@]*@" $database) (regexMatch "[?&]password=" $database) -}}
{{- fail "distributed.database holds a password, and a ConfigMap is no place for it: put it into a Secret, and name that in distributed.postgresql.existingSecret" -}}
{{- end -}}
{{- if .Values.config.retention.archive -}}
{{- fail "config.retention.archive is for an embedded book: a distributed one keeps its segments in S3" -}}
{{- end -}}
{{- end -}}

{{- define "meterbook-ledger.validations.embedded" -}}
{{- include "meterbook-ledger.validations.controller" (dict "root" . "kind" "StatefulSet" "fields" (list "minReadySeconds" "updateStrategy")) -}}
{{- if or .Values.distributed.replicas .Values.distributed.autoscaling.enabled -}}
{{- fail "distributed.replicas and distributed.autoscaling are for mode=distributed: a book in a directory has one writer. Set the mode, or leave them out" -}}
{{- end -}}
{{- if or .Values.distributed.bucket .Values.distributed.database -}}
{{- fail "distributed.bucket and distributed.database are for several replicas, and mode is embedded: set mode=distributed, or leave them out" -}}
{{- end -}}
{{- if and (not .Values.persistence.enabled) .Values.persistence.existingClaim -}}
{{- fail "persistence.existingClaim is given, and persistence.enabled is false: the book would not be on it. Set persistence.enabled=true" -}}
{{- end -}}
{{- end -}}

{{- define "meterbook-ledger.validations.outside" -}}
{{- $open := or (has .Values.service.type (list "LoadBalancer" "NodePort")) (.Values.service.spec | default dict).externalIPs -}}
{{- if and (eq .Values.access.anonymous "admin") $open -}}
{{- fail "access.anonymous=admin is for a try-out in a cluster, and service.type=LoadBalancer or NodePort, or service.spec.externalIPs, lets in whoever reaches it from outside: set service.type=ClusterIP, or say none and give access.adminToken.existingSecret" -}}
{{- end -}}
{{- end -}}

{{- define "meterbook-ledger.validations.callers" -}}
{{- if and (not .Values.tls.existingSecret) (not .Values.insecure) (not .Values.existingConfigMap) -}}
{{- fail "tls.existingSecret is missing: agents send customers' usage here. Give a Secret with tls.crt and tls.key, such as cert-manager makes; or set insecure=true where something else encrypts" -}}
{{- end -}}
{{- if and .Values.tls.existingSecret .Values.insecure -}}
{{- fail "insecure serves in plain text, and tls.existingSecret encrypts: remove one of them" -}}
{{- end -}}
{{- if and (eq .Values.access.anonymous "admin") (not .Values.insecure) -}}
{{- fail "access.anonymous=admin lets everybody change everything: say none and give access.adminToken.existingSecret, or set insecure=true for a try-out" -}}
{{- end -}}
{{- if eq (int .Values.grpc.port) (int .Values.http.port) -}}
{{- fail (printf "grpc.port and http.port are both %d: give them a port each" (int .Values.grpc.port)) -}}
{{- end -}}
{{- $service := .Values.service -}}
{{- if and $service.loadBalancerClass (ne $service.type "LoadBalancer") -}}
{{- fail "service.loadBalancerClass is for service.type=LoadBalancer: leave it out, or change the type" -}}
{{- end -}}
{{- if and (or $service.nodePort $service.externalTrafficPolicy) (eq $service.type "ClusterIP") -}}
{{- fail "service.nodePort and service.externalTrafficPolicy are for service.type=NodePort and LoadBalancer: leave them out, or change the type" -}}
{{- end -}}
{{- if and .Values.service.loadBalancerSourceRanges (ne .Values.service.type "LoadBalancer") -}}
{{- fail "service.loadBalancerSourceRanges is for service.type=LoadBalancer: use networkPolicy.callersFrom, or change the type" -}}
{{- end -}}
{{- end -}}
