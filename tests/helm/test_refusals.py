"""Values that cannot work are refused before anything is installed, in a sentence that says what to do instead."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.helm.charts import ci, template

pytestmark = pytest.mark.charts

NO_VALUES = Path("/dev/null")


def refusal(chart: str, values: str | None, *sets: str) -> str:
    """What helm says of values that it refuses."""
    found = template(chart, NO_VALUES if values is None else ci(chart, values), sets=sets)
    assert found.returncode != 0, "these values were taken"
    return found.stderr


@pytest.mark.parametrize(
    ("values", "sets", "told"),
    [
        (None, [], "agentName is missing"),
        (None, ['agentName="a"'], "ledger.endpoint is missing"),
        (None, ['agentName="a"', 'ledger.endpoint="l:1"'], "config.sources is empty: name at least one, such as {kind: kubernetes"),
        ("kubernetes", ["controller.shards=2"], "set controller.type=statefulset"),
        ("kubernetes", ["serviceAccount.create=false"], "name another in serviceAccount.name"),
        ("sharded", ['persistence.existingClaim="x"'], "set controller.type=deployment"),
        ("sharded", ['config.sources=[{"kind": "kubernetes", "cluster": "x", "shard": "1/2"}]'], "has shard 1/2"),
        ("kubernetes", ["persistence.enabled=false"], "give the agent's key in ledger.key.existingSecret"),
        ("kubernetes", ['persistence.size="1Gi"'], "needs a quarter more"),
        ("kubernetes", ["config.spool.bytes_max=9000000000"], "enlarge the volume or lower bytes_max"),
        ("kubernetes", ['rbac.namespaces=["shop"]'], "reads nodes and volumes"),
        ("namespaces", ['rbac.namespaces=["other"]'], "namespace shop is not one of rbac.namespaces"),
        ("observed", ['rbac.namespaces=["shop"]'], "namespace_selector looks at all namespaces"),
        ("kubernetes", ['rbac.extraRules=[{"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "delete"]}]'], "the verb delete is refused"),
        ("kubernetes", ['rbac.extraRules=[{"apiGroups": [""], "resources": ["pods"], "verbs": ["*"]}]'], "the verb * is refused"),
        ("kubernetes", ['rbac.extraRules=[{"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]}]'], "secrets is refused"),
        ("kubernetes", ['rbac.extraRules=[{"apiGroups": [""], "resources": ["nodes/proxy"], "verbs": ["get"]}]'], "nodes/proxy is refused"),
        ("kubernetes", ['rbac.extraRules=[{"apiGroups": [""], "resources": ["*"], "verbs": ["get"]}]'], "* is refused"),
        ("kubernetes", ['rbac.extraRules=[{"apiGroups": ["*"], "resources": ["pods"], "verbs": ["get"]}]'], "name the API groups"),
        ("kubernetes", ['rbac.extraRules=[{"nonResourceURLs": ["*"], "verbs": ["get"]}]'], "the path * is refused"),
        ("kubernetes", ['rbac.extraRules=[{"nonResourceURLs": ["/debug/pprof/heap"], "verbs": ["get"]}]'], "the path /debug/pprof/heap is refused"),
        ("kubernetes", ['rbac.extraRules=[{"nonResourceURLs": ["/metrics/*"], "verbs": ["get"]}]'], "the path /metrics/* is refused"),
        ("namespaces", ['rbac.extraRules=[{"nonResourceURLs": ["/metrics"], "verbs": ["get"]}]'], "are in no namespace"),
        ("everything", ["serviceAccount.create=false", 'rbac.extraRules=[{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]'], "name another in serviceAccount.name"),
        ("existingconfig", ['ledger.endpoint=""'], "Say it as it stands in existingConfigMap"),
        ("observed", ["metrics.serviceMonitor.enabled=false"], "Enable metrics.serviceMonitor or metrics.podMonitor"),
        ("everything", ["ledger.tls.insecure=true"], "remove one of them"),
        ("kubernetes", ["ledger.tls.insecure=true", 'ledger.tls.serverName="x"', 'ledger.tls.ca=""'], "serverName is the name"),
        ("sharded", ['ledger.tls.keyKey=""'], "certKey and ledger.tls.keyKey go together"),
        ("kubernetes", ['ledger.tls.certKey="c"', 'ledger.tls.keyKey="k"'], "name the Secret in ledger.tls.existingSecret"),
        ("kubernetes", ['ledger.key.existingSecret="k"'], "give one of them"),
        ("kubernetes", ['ledger.tls={"existingSecret": "s", "caKey": ""}'], "none of its keys"),
        ("observed", ["metrics.podMonitor.enabled=true"], "enable one of them"),
        ("kubernetes", ['agentName="Not A Name"'], "agentName is Not A Name: use small letters, digits, dots and hyphens"),
        ("kubernetes", ['ledger.endpoint="no-port"'], "give the host and the port and nothing else"),
        ("kubernetes", ['ledger.endpoint="https://ledger.example.com:9460"'], "such as ledger.example.com:9460"),
        ("kubernetes", ['ledger.endpoint="ledger:99999"'], "ledger.endpoint is ledger:99999"),
        ("kubernetes", ['ledger.endpoint="ledger:{{ .Values.http.port }}0"'], "ledger.endpoint is ledger:94650"),
        ("kubernetes", ['ledger.tls.ca="not a pem"'], "such as --set-file ledger.tls.ca=ca.crt"),
        ("kubernetes", ['persistence.size="50GB"'], "persistence.size is 50GB: give a number of bytes with its unit, such as 50Gi"),
        ("kubernetes", ["persistence.size=5000000000"], "with its unit, such as 50Gi"),
        ("observed", ["metrics.serviceMonitor.interval=30"], "metrics.serviceMonitor.interval is 30: give a number with its unit, such as 30s"),
        ("observed", ['metrics.serviceMonitor.scrapeTimeout="soon"'], "scrapeTimeout is soon"),
        ("kubernetes", ['fullnameOverride="Acme_Agent"'], "objects would be called Acme_Agent"),
        ("kubernetes", ['fullnameOverride="acme.agent"'], "set fullnameOverride, such as --set fullnameOverride=acme-agent"),
        ("kubernetes", ['fullnameOverride="1agent"'], "with a letter first"),
        ("kubernetes", ['controller.spec={"strategy": {"type": "RollingUpdate"}}'], "controller.spec.strategy is not for this Deployment"),
        ("kubernetes", ['controller.spec={"updateStrategy": {"type": "OnDelete"}}'], "controller.spec.updateStrategy is not for this Deployment"),
        ("sharded", ["controller.spec.progressDeadlineSeconds=60"], "is not for this StatefulSet"),
        ("existingconfig", ["test.enabled=true", 'test.token.existingSecret="t"', 'agentName=""'], "say agentName and ledger.endpoint"),
    ],
)  # fmt: skip
def test_values_of_an_agent_that_do_not_fit_together(values: str | None, sets: list[str], told: str) -> None:
    assert told in refusal("agent", values, *sets)


@pytest.mark.parametrize(
    ("values", "sets", "told"),
    [
        (None, [], "tls.existingSecret is missing"),
        (None, ['mode="distributed"'], "distributed.bucket is missing"),
        ("distributed", ['distributed.database="mysql://x/y"'], "distributed.database is missing"),
        ("distributed", ['distributed.database="postgresql://u:secret@h/d"'], "holds a password"),
        ("distributed", ['distributed.database="postgresql://u@h/d?password=x"'], "holds a password"),
        ("distributed", ['proof.existingSecret=""'], "replicas sign with one key"),
        ("distributed", ['config.retention={"archive": "/a"}'], "keeps its segments in S3"),
        ("embedded", ['distributed.bucket="s3://b/p"'], "set mode=distributed"),
        ("embedded", ["persistence.enabled=false", 'persistence.existingClaim="x"'], "Set persistence.enabled=true"),
        ("embedded", ["insecure=true"], "remove one of them"),
        ("embedded", ['access.anonymous="admin"'], "lets everybody change everything"),
        ("tryout", ['service.type="LoadBalancer"'], "lets in whoever reaches it from outside"),
        ("tryout", ['service.type="NodePort"'], "lets in whoever reaches it from outside"),
        ("tryout", ['service.spec={"externalIPs": ["192.0.2.1"]}'], "lets in whoever reaches it from outside"),
        ("observed", ["metrics.serviceMonitor.enabled=false"], "Enable metrics.serviceMonitor or metrics.podMonitor"),
        ("embedded", ['service.loadBalancerSourceRanges=["10.0.0.0/8"]'], "use networkPolicy.callersFrom"),
        ("embedded", ["drainSeconds=40"], "leaves less than 30 seconds after drainSeconds"),
        ("observed", ["metrics.podMonitor.enabled=true"], "enable one of them"),
        ("embedded", ['persistence.size="many"'], "give a number of bytes with its unit"),
        ("embedded", ["tmp.sizeLimit=4"], "tmp.sizeLimit is 4: give a number of bytes"),
        ("embedded", ["http.port=9460"], "grpc.port and http.port are both 9460"),
        ("embedded", ['service.loadBalancerClass="x"'], "service.loadBalancerClass is for service.type=LoadBalancer"),
        ("embedded", ["service.nodePort=30460"], "are for service.type=NodePort and LoadBalancer"),
        ("embedded", ['service.externalTrafficPolicy="Local"'], "are for service.type=NodePort and LoadBalancer"),
        ("embedded", ["distributed.replicas=3"], "a book in a directory has one writer"),
        ("embedded", ["distributed.autoscaling.enabled=true"], "a book in a directory has one writer"),
        ("embedded", ['controller.spec={"strategy": {"type": "Recreate"}}'], "controller.spec.strategy is not for this StatefulSet"),
        ("distributed", ["distributed.autoscaling.enabled=true"], "leave one of them out"),
        ("podidentity", ['distributed.autoscaling={"enabled": true, "minReplicas": 7}'], "minReplicas is 7, and maxReplicas 6"),
    ],
)  # fmt: skip
def test_values_of_a_ledger_that_do_not_fit_together(values: str | None, sets: list[str], told: str) -> None:
    assert told in refusal("ledger", values, *sets)


@pytest.mark.parametrize(
    ("chart", "setting"),
    [
        ("agent", 'agentname="x"'),
        ("agent", 'controller.type="daemonset"'),
        ("agent", "controller.shards=0"),
        ("agent", 'controller.shards="2"'),
        ("agent", 'image.digest="sha256:short"'),
        ("agent", 'image.pullPolicy="Sometimes"'),
        ("agent", "ledger.tls.insecure=1"),
        ("agent", "http.port=70000"),
        ("agent", 'config.sources=[{"kind": "kubernets"}]'),
        ("agent", 'config.sources=[{"kind": "kubernetes", "cluster": "x", "file-io": false}]'),
        ("agent", 'config.sources=[{"kind": "kubernetes"}]'),
        ("agent", 'config.sources=[{"kind": "kubernetes", "cluster": "x", "usage": "cadvisor"}]'),
        ("agent", 'config.tags.rules=[{"form": "subject"}]'),
        ("agent", 'config.spool.path="/tmp/x"'),
        ("agent", 'config.ledger.endpoint="x:1"'),
        ("agent", "config.schedule.threads_max=0"),
        ("agent", 'tolerations=[{"key": "x", "opperator": "Exists"}]'),
        ("agent", 'resources={"limit": {"memory": "1Gi"}}'),
        ("agent", "securityContext.readOnlyRootFileSystem=true"),
        ("agent", 'extraVolumes=[{"name": "x", "secrets": {}}]'),
        ("agent", 'networkPolicy.ledgerTo=[{"ipblock": {"cidr": "10.0.0.0/8"}}]'),
        ("agent", 'metrics.serviceMonitor.relabelings=[{"source_labels": ["x"]}]'),
        ("agent", 'extraManifests=[{"kind": "ConfigMap"}]'),
        ("ledger", 'mode="both"'),
        ("ledger", "distributed.replicas=0"),
        ("ledger", 'distributed.s3.secretKey="x"'),
        ("ledger", 'config.intake={"batch_bytes_max": 0}'),
        ("ledger", 'config.queries={"timeout": 1}'),
        ("ledger", 'config.metering={"cluster": {"address": "spark:15002"}}'),
        ("ledger", 'config.entitlements={"webhooks": [{"url": "https://x"}]}'),
        ("ledger", 'config.proof={"key_file": "/x"}'),
        ("ledger", 'service.type="ExternalName"'),
        ("ledger", 'logLevel="loud"'),
        ("ledger", 'resources.requests.cpu="lots"'),
        ("ledger", 'namespaceOverride="Books"'),
        ("ledger", 'image.tag="0.1.0@sha256:short"'),
        ("ledger", 'controller.podSpec={"containers": []}'),
        ("ledger", 'controller.podSpec={"dnspolicy": "None"}'),
        ("ledger", 'controller.container={"image": "x"}'),
        ("ledger", 'controller.spec={"replicas": 3}'),
        ("ledger", 'service.spec={"selector": {}}'),
        ("ledger", 'persistence.spec={"storageClassName": "x"}'),
        ("ledger", 'metrics.podMonitor.endpoint={"port": "x"}'),
        ("ledger", 'distributed.autoscaling.metrics=[{"kind": "Resource"}]'),
    ],
)  # fmt: skip
def test_the_schema_refuses(chart: str, setting: str) -> None:
    told = refusal(chart, {"agent": "kubernetes", "ledger": "embedded"}[chart], setting)
    assert "values don't meet the specifications of the schema" in told
    name = setting.partition("=")[0].rpartition(".")[2]
    assert name in told


@pytest.mark.parametrize("chart", ["agent", "ledger"])
def test_a_release_whose_name_no_service_can_have(chart: str) -> None:
    told = template(chart, ci(chart, {"agent": "kubernetes", "ledger": "embedded"}[chart]), release="acme.prod").stderr
    assert f"objects would be called acme.prod-meterbook-{chart}" in told
