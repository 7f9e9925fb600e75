"""``meterbook agent doctor`` against real ledgers, clusters and targets: all is well, and one test for each thing that is not."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from agent.cli import agent
from agent.doctor import greeting
from agent.spool import Spool
from collector.cluster.roles import granted
from collector.kubernetes.plugin import plugin as kubernetes
from meterbook.doctor import reaching
from tests.fakes.http_target import fake_target, page
from tests.fakes.intake import FakeLedger
from tests.fakes.kubernetes_api import FakeKubernetesApi
from tests.ledger.guarded import Guarded, guarded

Found = list[tuple[str, str, str]]
Doctor = Callable[..., Found]


@pytest.fixture(scope="module")
def ledger_of_all(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    with guarded(tmp_path_factory.mktemp("guarded")) as found:
        yield found


@pytest.fixture(scope="module")
def enrolled(ledger_of_all: Guarded) -> str:
    """The key of edge-1."""
    return ledger_of_all.agent("edge-1")


@pytest.fixture
def settings(ledger_of_all: Guarded, enrolled: str, tmp_path: Path) -> dict[str, Any]:
    key, log = tmp_path / "key", tmp_path / "usage.log"
    key.write_text(enrolled)
    key.chmod(0o600)
    log.write_text("")
    return {
        "agent": "edge-1",
        "ledger": {
            "endpoint": ledger_of_all.address,
            "tls": {"ca_file": str(ledger_of_all.authority.file)},
            "key_file": str(key),
        },
        "spool": {"path": str(tmp_path / "spool"), "bytes_max": 1 << 20},
        "sources": [{"kind": "logfile", "path": str(log)}],
    }


@pytest.fixture
def doctor(settings: dict[str, Any], tmp_path: Path) -> Doctor:
    def examine(*, code: int) -> Found:
        path = tmp_path / "agent.yaml"
        path.write_text(yaml.safe_dump(settings))
        result = CliRunner().invoke(agent, ["doctor", str(path), "--json"])
        assert result.exit_code == code, result.output
        document = json.loads(result.output)
        assert document["ok"] is (code == 0)
        for each in document["findings"]:
            assert bool(each["advice"]) is (each["status"] != "ok"), each
        return [(each["check"], each["status"], each["found"]) for each in document["findings"]]

    return examine


def failures(found: Found) -> list[tuple[str, str]]:
    return [(check, text) for check, status, text in found if status == "failure"]


def only(found: Found) -> tuple[str, str]:
    (each,) = failures(found)
    return each


def test_all_is_well(doctor: Doctor, settings: dict[str, Any]) -> None:
    found = doctor(code=0)
    assert {check for check, _, _ in found} >= {
        "configuration",
        "versions",
        "permissions",
        "disk",
        "clock",
        "certificates",
        "reachability",
        "credential",
        "sources",
    }
    told = "\n".join(text for _, _, text in found)
    assert "the ledger takes batches of edge-1 as key" in told and "understand each other" in told
    assert Path(settings["ledger"]["key_file"]).read_text().rpartition("_")[2] not in told
    assert not Path(settings["spool"]["path"]).exists(), "the spool is not made"


def test_for_people_each_finding_is_a_line(tmp_path: Path) -> None:
    path = tmp_path / "agent.yaml"
    path.write_text("agent: edge-1\n")
    result = CliRunner().invoke(agent, ["doctor", "--config", str(path)])
    assert result.exit_code == 1
    assert (
        f"failure  configuration: {path}: ledger: is required and not given\n         -> mend the file" in result.output
    )
    assert CliRunner().invoke(agent, ["doctor"]).exit_code == 2


def test_a_ledger_that_is_not_there(doctor: Doctor, settings: dict[str, Any]) -> None:
    settings["ledger"]["endpoint"] = "127.0.0.1:1"
    assert only(doctor(code=1)) == ("reachability", "127.0.0.1:1 takes no connection: Connection refused")


def test_a_server_that_is_no_ledger(doctor: Doctor, settings: dict[str, Any], ledger: FakeLedger) -> None:
    settings["ledger"] = {"endpoint": ledger.endpoint}
    check, text = only(doctor(code=1))
    assert check == "reachability" and "does not answer gRPC: UNIMPLEMENTED" in text


@pytest.mark.parametrize("is_plain", [True, False])
def test_a_server_that_takes_connections_and_says_nothing(
    doctor: Doctor, settings: dict[str, Any], monkeypatch: pytest.MonkeyPatch, *, is_plain: bool
) -> None:
    """As of a process that stands still: the kernel takes the connections for it."""
    for module in (greeting, reaching):
        monkeypatch.setattr(module, "PATIENCE_S", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        endpoint = f"127.0.0.1:{silent.getsockname()[1]}"
        settings["ledger"] = {"endpoint": endpoint} if is_plain else settings["ledger"] | {"endpoint": endpoint}
        check, text = only(doctor(code=1))
    assert check == "reachability"
    assert text == f"something listens at {endpoint}, and does not answer within 0.3 s: it hangs, or is busy"


def test_an_authority_that_is_anothers(doctor: Doctor, settings: dict[str, Any], tmp_path: Path) -> None:
    settings["ledger"]["tls"]["ca_file"] = str(tmp_path / "none.pem")
    assert {check for check, _ in failures(doctor(code=1))} == {"certificates"}


def test_a_key_that_was_revoked(doctor: Doctor, settings: dict[str, Any], ledger_of_all: Guarded) -> None:
    key, settings["agent"] = ledger_of_all.agent("edge-3"), "edge-3"
    Path(settings["ledger"]["key_file"]).write_text(key)
    ledger_of_all.revoke(key)
    check, text = only(doctor(code=1))
    assert check == "credential" and "UNAUTHENTICATED" in text and key not in text


def test_a_key_of_another_agent(doctor: Doctor, settings: dict[str, Any]) -> None:
    settings["agent"] = "edge-2"
    check, text = only(doctor(code=1))
    assert check == "credential" and "PERMISSION_DENIED" in text


def test_no_key_and_no_invitation(doctor: Doctor, settings: dict[str, Any], tmp_path: Path) -> None:
    Path(settings["ledger"]["key_file"]).unlink()
    check, text = only(doctor(code=1))
    assert check == "permissions" and "enrolment_token_file is not given" in text
    invitation = tmp_path / "invitation"
    invitation.write_text(f"mb_enrol_{'i' * 16}_{'s' * 43}")
    invitation.chmod(0o600)
    settings["ledger"]["enrolment_token_file"] = str(invitation)
    assert ("credential", "warning", "the agent has no key yet: it enrols when it starts") in doctor(code=0)
    assert invitation.exists(), "it is good for once, and the agent's to use"


def test_a_clock_that_is_wrong(doctor: Doctor, monkeypatch: pytest.MonkeyPatch) -> None:
    real = greeting.now_us
    monkeypatch.setattr(greeting, "now_us", lambda: real() + 3_600_000_000)
    check, text = only(doctor(code=1))
    assert check == "clock" and "s ahead of the ledger's" in text and (" 3600." in text or " 3599." in text)


def test_a_ledger_that_reads_another_schema(doctor: Doctor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(greeting, "SCHEMA_VERSION", 2)
    check, text = only(doctor(code=1))
    assert check == "versions" and "batches are of schema 2, and the ledger takes 1" in text


def test_a_ledger_of_before(doctor: Doctor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        greeting.intake_pb2_grpc.IntakeStub,
        "__init__",
        lambda stub, channel: setattr(
            stub, "Greet", channel.unary_unary("/meterbook.intake.v1.Intake/Nothing", lambda _: b"")
        ),
    )
    found = doctor(code=0)
    assert any(check == "versions" and status == "warning" and "an older one" in text for check, status, text in found)


def test_a_disk_that_has_no_room(doctor: Doctor, settings: dict[str, Any]) -> None:
    settings["spool"]["bytes_max"] = 1 << 60
    assert only(doctor(code=1))[0] == "disk"


def test_a_spool_that_cannot_be_made(doctor: Doctor, settings: dict[str, Any]) -> None:
    settings["spool"]["path"] = settings["ledger"]["key_file"] + "/spool"
    assert "permissions" in {check for check, _ in failures(doctor(code=1))}


def test_a_spool_that_an_agent_would_not_open(doctor: Doctor, settings: dict[str, Any]) -> None:
    path = Path(settings["spool"]["path"])
    Spool(path, agent="edge-2", bytes_max=1 << 20).close()
    check, text = only(doctor(code=1))
    assert check == "spool" and "belongs to agent 'edge-2', not 'edge-1'" in text
    path.write_bytes(b"x" * 8192)
    assert "is damaged" in only(doctor(code=1))[1]
    path.unlink()
    Spool(path, agent="edge-1", bytes_max=1 << 20).close()
    told = f"spool.path {path} is a spool of agent edge-1, and nobody has it open"
    assert ("spool", "ok", told) in doctor(code=0)


def test_sources_that_cannot_be_read(doctor: Doctor, settings: dict[str, Any]) -> None:
    with fake_target() as target:
        target.answer = page(b"a 1\n")
        settings["sources"] = [
            {"kind": "prometheus", "job": "there", "targets": [target.address]},
            {"kind": "prometheus", "job": "gone", "targets": ["127.0.0.1:1"]},
        ]
        check, text = only(doctor(code=1))
    assert check == "sources" and "sources.1 (prometheus): prometheus/gone/127.0.0.1:1: failed" in text


def test_what_the_role_lacks_in_a_cluster(doctor: Doctor, settings: dict[str, Any], tmp_path: Path) -> None:
    with FakeKubernetesApi(tmp_path) as api:
        api.write_kubeconfig(tokenFile=str(api.token_file))
        entry = {"kind": "kubernetes", "cluster": "prod", "api": {"kubeconfig": str(api.kubeconfig)}}
        settings["sources"] = [entry]
        assert kubernetes.role is not None
        role = kubernetes.role(kubernetes.config.model_validate(entry), "a", "b")
        rules = [
            {"apiGroups": [each.group], "resources": [each.resource], "verbs": list(each.verbs)}
            for _, each in granted(role)
        ]
        api.allow(rules)
        assert any("the cluster grants all" in text for _, _, text in doctor(code=0))
        api.allow([each for each in rules if each["resources"] not in (["pods"], ["nodes/stats"])])
        lacking = [text for check, text in failures(doctor(code=1)) if check == "permissions"]
        assert len(lacking) == 2
        assert "our role lacks list on pods" in lacking[0] or "our role lacks list on pods" in lacking[1]
        api.stop()
        assert only(doctor(code=1))[0] == "sources"
