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
        ("everything", ["ledger.tls.insecure=true"], "remove one of them"),
        ("kubernetes", ["ledger.tls.insecure=true", 'ledger.tls.serverName="x"', 'ledger.tls.ca=""'], "serverName is the name"),
        ("sharded", ['ledger.tls.keyKey=""'], "certKey and ledger.tls.keyKey go together"),
        ("kubernetes", ['ledger.tls.certKey="c"', 'ledger.tls.keyKey="k"'], "name the Secret in ledger.tls.existingSecret"),
        ("kubernetes", ['ledger.key.existingSecret="k"'], "give one of them"),
        ("kubernetes", ['ledger.tls={"existingSecret": "s", "caKey": ""}'], "none of its keys"),
        ("observed", ["metrics.podMonitor.enabled=true"], "enable one of them"),
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
        ("embedded", ['service.loadBalancerSourceRanges=["10.0.0.0/8"]'], "use networkPolicy.callersFrom"),
        ("embedded", ["drainSeconds=40"], "leaves less than 30 seconds after drainSeconds"),
        ("observed", ["metrics.podMonitor.enabled=true"], "enable one of them"),
    ],
)
def test_values_of_a_ledger_that_do_not_fit_together(values: str | None, sets: list[str], told: str) -> None:
    assert told in refusal("ledger", values, *sets)


@pytest.mark.parametrize(
    ("chart", "setting"),
    [
        ("agent", 'agentname="x"'),
        ("agent", 'agentName="Not A Name"'),
        ("agent", 'controller.type="daemonset"'),
        ("agent", "controller.shards=0"),
        ("agent", 'controller.shards="2"'),
        ("agent", 'image.digest="sha256:short"'),
        ("agent", 'image.pullPolicy="Sometimes"'),
        ("agent", 'ledger.endpoint="no-port"'),
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
        ("ledger", 'persistence.size="many"'),
        ("ledger", 'logLevel="loud"'),
    ],
)  # fmt: skip
def test_the_schema_refuses(chart: str, setting: str) -> None:
    told = refusal(chart, {"agent": "kubernetes", "ledger": "embedded"}[chart], setting)
    assert "values don't meet the specifications of the schema" in told
    name = setting.partition("=")[0].rpartition(".")[2]
    assert name in told
