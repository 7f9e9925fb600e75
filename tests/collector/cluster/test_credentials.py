"""Credentials: in the cluster, by kubeconfig, and when they change; and that they stay secret."""

from __future__ import annotations

import base64
import json
import logging
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from kubernetes.config import incluster_config
from pydantic import ValidationError

from collector.cluster.client import KubernetesApi, connect
from collector.cluster.config import ClusterConfig
from collector.cluster.credentials import Credentials
from collector.errors import PermanentError, TransientError
from tests.collector.cluster.conftest import PERMISSIONS, PODS, Connect
from tests.fakes.certificates import Authority
from tests.fakes.kubernetes_api import FakeKubernetesApi


@pytest.fixture
def in_cluster(server: FakeKubernetesApi, monkeypatch: pytest.MonkeyPatch) -> FakeKubernetesApi:
    """The environment of a pod with a service account."""
    host, port = server.address.removeprefix("https://").split(":")
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", host)
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", port)
    monkeypatch.setattr(incluster_config, "SERVICE_TOKEN_FILENAME", str(server.token_file))
    monkeypatch.setattr(incluster_config, "SERVICE_CERT_FILENAME", str(server.ca_file))
    return server


def asks(api: KubernetesApi) -> str:
    """What a list is."""
    try:
        return str(json.loads(api.get(PODS))["kind"])
    finally:
        api.close()


def edited(api: FakeKubernetesApi, /, **changes: Any) -> None:
    """Change the cluster of the kubeconfig; its fields have underscores for hyphens."""
    document = yaml.safe_load(api.kubeconfig.read_text())
    document["clusters"][0]["cluster"] |= {name.replace("_", "-"): value for name, value in changes.items()}
    api.kubeconfig.write_text(yaml.safe_dump(document))


def test_a_service_account(in_cluster: FakeKubernetesApi) -> None:
    assert asks(connect(ClusterConfig(), PERMISSIONS)) == "PodList"


def test_outside_of_a_cluster_there_is_no_service_account(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    with pytest.raises(PermanentError, match=r"service account of this pod cannot be used: Service host/port"):
        connect(ClusterConfig(), PERMISSIONS)


def test_a_rotated_token_of_a_service_account(in_cluster: FakeKubernetesApi) -> None:
    api = connect(ClusterConfig(), PERMISSIONS)
    api.get(PODS)
    in_cluster.rotate_token()
    assert asks(api) == "PodList", "although the library looks at the file only once a minute"
    assert len(in_cluster.requests) == 3, "and the second was sent again, once"


def test_a_rotated_token_file(server: FakeKubernetesApi, connected: Connect) -> None:
    api, other = connected(), connected()
    for _ in range(3):
        server.rotate_token()
        api.get(PODS)
    other.get(PODS)


def test_a_token_that_stays_unknown_is_told_without_it(server: FakeKubernetesApi, connected: Connect) -> None:
    server.token_file.write_text("s3cret\n")
    api = connected()
    with pytest.raises(PermanentError, match=r"/api/v1/pods does not know our credentials \(401\)") as caught:
        api.get(PODS)
    assert "s3cret" not in str(caught.value) + repr(api.credentials) + repr(api)


@pytest.mark.parametrize("content", ["two\nlines s3cret", "s3cr\u00e9t"])
def test_what_is_no_token_is_not_repeated(server: FakeKubernetesApi, connected: Connect, content: str) -> None:
    server.token_file.write_text(content)
    with pytest.raises(PermanentError, match="holds no token") as caught:
        connected().get(PODS)
    assert "s3cr" not in str(caught.value)


def test_a_token_in_the_kubeconfig(server: FakeKubernetesApi, connected: Connect) -> None:
    server.write_kubeconfig(token=server.token_file.read_text().strip())
    connected().get(PODS)


def test_a_client_certificate_as_files_and_as_data(server: FakeKubernetesApi, connected: Connect) -> None:
    pair = server.authority.issue("agent")
    server.write_kubeconfig(**{"client-certificate": str(pair.cert_file), "client-key": str(pair.key_file)})
    connected().get(PODS)
    inline = {"client-certificate-data": pair.cert, "client-key-data": pair.key}
    server.write_kubeconfig(**{name: base64.b64encode(value).decode() for name, value in inline.items()})
    connected().get(PODS)


def test_a_client_certificate_that_ends_and_is_replaced(server: FakeKubernetesApi, connected: Connect) -> None:
    pair = server.authority.issue("agent", valid_days=-1)
    server.write_kubeconfig(**{"client-certificate": str(pair.cert_file), "client-key": str(pair.key_file)})
    api = connected()
    with pytest.raises(TransientError, match="cannot be reached"):
        api.get(PODS)
    server.authority.issue("agent")
    with pytest.raises(TransientError, match="cannot be reached"):
        api.get(PODS)
    api.get(PODS)


def test_an_exec_plugin_runs_again_when_its_token_is_refused(
    server: FakeKubernetesApi, connected: Connect, tmp_path: Path
) -> None:
    program = tmp_path / "plugin.py"
    program.write_text(
        "import json, pathlib\n"
        f"token = pathlib.Path({str(server.token_file)!r}).read_text().strip()\n"
        "version = 'client.authentication.k8s.io/v1'\n"
        "print(json.dumps({'apiVersion': version, 'kind': 'ExecCredential', 'status': {'token': token}}))\n"
    )
    plugin = {
        "apiVersion": "client.authentication.k8s.io/v1",
        "command": sys.executable,
        "args": [str(program)],
        "interactiveMode": "Never",
    }
    server.write_kubeconfig(exec=plugin)
    api = connected()
    api.get(PODS)
    server.rotate_token()
    api.get(PODS)


def test_an_exec_plugin_that_fails(
    server: FakeKubernetesApi, connected: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL)
    server.write_kubeconfig(exec={"apiVersion": "client.authentication.k8s.io/v1", "command": "/bin/false"})
    with pytest.raises(PermanentError, match="gives no credentials"):
        connected()


def test_the_kubeconfig_is_never_written(server: FakeKubernetesApi, connected: Connect) -> None:
    server.kubeconfig.chmod(0o400)
    before = server.kubeconfig.read_bytes()
    connected().get(PODS)
    assert server.kubeconfig.read_bytes() == before


def test_another_name_in_the_servers_certificate(server: FakeKubernetesApi, connected: Connect) -> None:
    edited(server, tls_server_name="127.0.0.1", server=server.address.replace("127.0.0.1", "localhost"))
    connected().get(PODS)
    edited(server, tls_server_name="elsewhere.example")
    with pytest.raises(PermanentError, match="certificate that is not trusted"):
        connected().get(PODS)


def test_an_authority_that_was_replaced(server: FakeKubernetesApi, connected: Connect, tmp_path: Path) -> None:
    right = server.ca_file.read_bytes()
    server.ca_file.write_bytes(Authority(tmp_path, "other").file.read_bytes())
    api = connected()
    with pytest.raises(PermanentError, match="certificate that is not trusted"):
        api.get(PODS)
    server.ca_file.write_bytes(right)
    api.get(PODS)


def test_nobody_is_checked_only_where_the_kubeconfig_says_so(
    server: FakeKubernetesApi, connected: Connect, tmp_path: Path
) -> None:
    edited(server, certificate_authority=str(Authority(tmp_path, "other").file))
    with pytest.raises(PermanentError, match="certificate that is not trusted"):
        connected().get(PODS)
    document = yaml.safe_load(server.kubeconfig.read_text())
    document["clusters"][0]["cluster"] = {"server": server.address, "insecure-skip-tls-verify": True}
    server.kubeconfig.write_text(yaml.safe_dump(document))
    connected().get(PODS)


def test_the_environment_sets_no_proxy(connected: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    connected().get(PODS)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"proxy_url": "http://s3cret@127.0.0.1:1"}, "asks for a proxy"),
        ({"server": "https://s3cret:s3cret@127.0.0.1"}, "not https://host:port"),
        ({"server": "ftp://127.0.0.1"}, "not https://host:port"),
        ({"server": "https://127.0.0.1:port"}, "not https://host:port"),
        ({"certificate_authority": "/nowhere"}, "File does not exist: /nowhere"),
    ],
)
def test_clusters_that_cannot_be_used(
    server: FakeKubernetesApi, connected: Connect, changes: dict[str, str], reason: str
) -> None:
    edited(server, **changes)
    with pytest.raises(PermanentError, match=reason) as caught:
        connected()
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "kubeconfig .* cannot be used"),
        ("a: [s3cret", "line 1 is not YAML"),
        ("s3cret", "has not the form"),
        ("current-context: s3cret\n", "cannot be used"),
        ("users: 3\ncurrent-context: a\n", "cannot be used"),
        ("current-context: a\ncontexts:\n- name: a\n  token: s3cret\n", "cannot be used"),
        ("\x00", "cannot be used"),
    ],
)
def test_kubeconfigs_that_cannot_be_used(server: FakeKubernetesApi, connected: Connect, text: str, reason: str) -> None:
    server.kubeconfig.write_text(text)
    with pytest.raises(PermanentError, match=reason) as caught:
        connected()
    assert "token" not in str(caught.value)


def test_files_that_are_missing(server: FakeKubernetesApi, connected: Connect, tmp_path: Path) -> None:
    with pytest.raises(PermanentError, match=r"kubeconfig .*/absent does not exist"):
        connected(kubeconfig=tmp_path / "absent")
    with pytest.raises(PermanentError, match="Expected object with name nowhere"):
        connected(context="nowhere")
    server.write_kubeconfig()
    with pytest.raises(PermanentError, match="gives no credentials"):
        connected()
    server.ca_file.write_text("no certificate")
    server.write_kubeconfig(tokenFile=str(server.token_file))
    with pytest.raises(PermanentError, match="certificates that cannot be used"):
        connected()


def test_a_context_needs_a_kubeconfig() -> None:
    with pytest.raises(ValidationError, match="context a needs a kubeconfig"):
        ClusterConfig(context="a")


def test_kubelets_are_reached_with_the_same_credentials(server: FakeKubernetesApi) -> None:
    credentials = Credentials(ClusterConfig(kubeconfig=server.kubeconfig))
    assert credentials.authorization() == f"Bearer {server.token_file.read_text().strip()}"
    names = [dict(part[0] for part in found["subject"]) for found in credentials.ssl_context.get_ca_certs()]
    assert names == [{"commonName": "cluster-ca"}], "and nobody else's"


def test_a_server_that_is_down(server: FakeKubernetesApi, connected: Connect) -> None:
    api = connected()
    server.stop()
    with pytest.raises(TransientError, match="cannot be reached"):
        api.get(PODS)
