"""Enrolment: an agent gets its own key from a real ledger, and no crash on the way locks it out."""

from __future__ import annotations

import logging
import stat
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from agent import enrolment as enrolment_module
from agent import uplink as uplink_module
from agent.config import AgentConfig, LedgerConfig
from agent.enrolment import Key, KeyFiles, KeyUnusable
from agent.selfmetrics import SelfMetrics
from agent.spool import Spool
from agent.uplink import Uplink
from meterbook.ledger.v1 import access_pb2
from meterbook.wire.sections import COVERAGE, sections
from tests.fakes.certificates import Authority
from tests.ledger.guarded import Guarded, bearer, guarded

Wait = Callable[[Callable[[], bool]], None]
INVITATION = "mb_enrol_" + "i" * 16 + "_" + "s" * 43


class Crash(Exception):
    """The power goes."""


@pytest.fixture
def files(tmp_path: Path) -> KeyFiles:
    (tmp_path / "invitation").write_text(INVITATION + "\n")
    return KeyFiles(tmp_path / "state" / "key", tmp_path / "invitation")


def asked(into: list[tuple[str, Key]]) -> Callable[[str, Key], None]:
    return lambda invitation, key: into.append((invitation, key))


def test_the_key_is_written_for_nobody_else_and_read_again(files: KeyFiles) -> None:
    assert files.key() is None
    seen: list[tuple[str, Key]] = []
    key = files.enrol(asked(seen))
    assert seen == [(INVITATION, key)] and files.key() == key
    assert stat.S_IMODE(files.key_file.stat().st_mode) == 0o600
    assert [each.name for each in files.key_file.parent.iterdir()] == ["key"]
    assert key.secret not in f"{key} {key!r} {files!r}"


def test_the_key_is_durable_before_the_ledger_is_asked(files: KeyFiles, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[int] = []
    fsync = enrolment_module.os.fsync
    monkeypatch.setattr(enrolment_module.os, "fsync", lambda fd: (synced.append(fd), fsync(fd))[1])

    def ask(_: str, key: Key) -> None:
        pending = files.key_file.with_name("key.pending")
        assert pending.read_text().strip() == key.text
        assert stat.S_IMODE(pending.stat().st_mode) == 0o600
        assert len(synced) == 2, "the file and its directory"
        assert files.key() is None

    files.enrol(ask)
    assert len(synced) == 3


def test_after_a_crash_the_same_key_is_enrolled(files: KeyFiles, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[str, Key]] = []

    def crash_after_the_answer(invitation: str, key: Key) -> None:
        seen.append((invitation, key))
        raise Crash

    for _ in range(2):
        with pytest.raises(Crash):
            files.enrol(crash_after_the_answer)
        assert files.key() is None
    key = files.enrol(asked(seen))
    assert {each.text for _, each in seen} == {key.text}


def test_a_crash_while_the_key_is_written_leaves_none(files: KeyFiles, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", lambda *_: (_ for _ in ()).throw(Crash()))
        with pytest.raises(Crash):
            files.enrol(asked([]))
    assert files.key() is None
    seen: list[tuple[str, Key]] = []
    assert files.enrol(asked(seen)) == seen[0][1]


@pytest.mark.parametrize(
    ("key", "invitation", "said"),
    [
        (None, None, "neither ledger.key_file .* nor ledger.enrolment_token_file .* exists"),
        (None, "hunter2", "holds no invitation: it is one line that begins with mb_enrol_"),
        (None, "mb_token_" + "i" * 16 + "_" + "s" * 43, "holds no invitation"),
        ("hunter2", INVITATION, "holds no agent's key"),
        ("", INVITATION, "holds no agent's key"),
        (INVITATION, INVITATION, "holds no agent's key"),
    ],
)
def test_files_that_hold_something_else(tmp_path: Path, key: str | None, invitation: str | None, said: str) -> None:
    files = KeyFiles(tmp_path / "key", tmp_path / "invitation")
    for path, text in ((files.key_file, key), (tmp_path / "invitation", invitation)):
        if text is not None:
            path.write_text(text)

    def look_and_enrol() -> None:
        assert files.key() is None
        files.enrol(asked([]))

    with pytest.raises(KeyUnusable, match=said) as refused:
        look_and_enrol()
    assert "hunter2" not in str(refused.value)


def test_without_an_invitation_the_key_has_to_be_there(tmp_path: Path) -> None:
    with pytest.raises(KeyUnusable, match="put the agent's key there, or name an invitation"):
        KeyFiles(tmp_path / "key", None).enrol(asked([]))


def test_what_the_configuration_says_has_to_fit() -> None:
    def refused(**ledger: Any) -> None:
        with pytest.raises(ValueError, match="Value error"):
            AgentConfig.model_validate({"agent": "edge-1", "ledger": {"endpoint": "h:1", **ledger}})

    refused(enrolment_token_file="/t")
    refused(tls={"cert_file": "/c"})
    refused(tls={"key_file": "/c"})
    refused(tls={"cert_file": "/c", "key_file": "/k", "insecure": True})
    local = LedgerConfig.model_validate({"endpoint": "127.0.0.1:1", "tls": {"cert_file": "/c", "key_file": "/k"}})
    assert not local.plaintext


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    with guarded(tmp_path_factory.mktemp("guarded")) as found:
        yield found


class Edge:
    """The agent edge-1 with its spool and uplink, and the files that it is given."""

    def __init__(self, spool: Spool, folder: Path) -> None:
        self.spool, self.folder = spool, folder
        self.metrics = SelfMetrics()
        self.key_file, self.invitation_file = folder / "key", folder / "invitation"
        self.uplink: Uplink | None = None

    def start(self, ledger: Guarded, **tls: Any) -> Uplink:
        config = {
            "endpoint": ledger.address,
            "tls": {"ca_file": ledger.authority.file, **tls},
            "key_file": self.key_file,
            "enrolment_token_file": self.invitation_file,
        }
        self.metrics = SelfMetrics()
        self.uplink = Uplink(LedgerConfig.model_validate(config), self.spool, self.metrics)
        self.uplink.start()
        return self.uplink

    def append(self, source: str = "fake/one") -> None:
        row = {
            "source": source,
            "start": 1_767_225_600_000_000,
            "end": 1_767_225_601_000_000,
            "status": "complete",
            "reason": "",
        }
        content = sections(coverage=pa.Table.from_pylist([row], schema=COVERAGE))
        self.spool.append(content, source=source, checkpoint={}, window_end_us=row["end"])

    def is_empty(self) -> bool:
        return self.spool.sizes().batches == 0


@pytest.fixture
def edge(spool: Spool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Edge]:
    monkeypatch.setattr(uplink_module, "BACKOFF_MAX_S", 0.2)
    monkeypatch.setattr(uplink_module, "STUCK_S", 0.1)
    monkeypatch.setattr(uplink_module, "_POLL_S", 0.02)
    made = Edge(spool, tmp_path)
    yield made
    if made.uplink is not None:
        made.uplink.stop(0)


def test_an_agent_enrols_and_sends(
    ledger: Guarded, edge: Edge, eventually: Wait, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    edge.append()
    uplink = edge.start(ledger)
    eventually(lambda: uplink.problem is not None)
    assert "have the agent invited with 'meterbook access invite-agent'" in str(uplink.problem)
    invitation = ledger.invitation("edge-1")
    edge.invitation_file.write_text(invitation)
    eventually(edge.is_empty)
    eventually(lambda: uplink.problem is None)
    key = edge.key_file.read_text().strip()
    rows = ledger.access.List(access_pb2.ListRequest(), metadata=bearer(ledger.admin)).rows
    (row,) = [each for each in rows if each.id == key.split("_")[2]]
    assert (row.kind, row.name, row.state) == ("agent", "edge-1", "valid")
    assert "enrolled at" in caplog.text
    for secret in (key.split("_")[3], invitation.split("_")[3]):
        assert secret not in caplog.text
    uplink.stop(0)
    # Another start needs no invitation.
    edge.invitation_file.unlink()
    edge.append()
    edge.start(ledger)
    eventually(edge.is_empty)


def test_a_crash_between_answer_and_file_does_not_lock_the_agent_out(
    ledger: Guarded, edge: Edge, eventually: Wait, monkeypatch: pytest.MonkeyPatch
) -> None:
    edge.invitation_file.write_text(ledger.invitation("edge-1"))
    answered = threading.Event()
    enrol = Uplink._enrol

    def crash(self: Uplink, *arguments: Any) -> None:
        enrol(self, *arguments)
        answered.set()
        raise Crash

    edge.append()
    with monkeypatch.context() as patch:
        patch.setattr(Uplink, "_enrol", crash)
        edge.start(ledger)
        eventually(answered.is_set)
        assert edge.uplink is not None
        edge.uplink.stop(0)
    assert not edge.key_file.exists()
    edge.start(ledger)
    eventually(edge.is_empty)


def test_an_invitation_for_another_agent_is_not_used_up(ledger: Guarded, edge: Edge, eventually: Wait) -> None:
    invitation = ledger.invitation("edge-2")
    edge.invitation_file.write_text(invitation)
    uplink = edge.start(ledger)
    eventually(lambda: uplink.problem is not None)
    assert "PERMISSION_DENIED" in str(uplink.problem) and "not for 'edge-1'" in str(uplink.problem)
    ledger.enrol("edge-2", invitation)


def test_a_revoked_key_is_stuck_until_there_is_another(
    ledger: Guarded, edge: Edge, eventually: Wait, caplog: pytest.LogCaptureFixture
) -> None:
    key = ledger.agent("edge-1")
    edge.key_file.write_text(key)
    uplink = edge.start(ledger)
    edge.append()
    eventually(edge.is_empty)
    ledger.revoke(key)
    edge.append()
    eventually(lambda: uplink.problem is not None)
    eventually(lambda: "UNAUTHENTICATED" in str(uplink.problem))
    assert f"credential {key.split('_')[2]} of edge-1 was revoked: get another one" in str(uplink.problem)
    assert edge.spool.sizes().batches == 1
    edge.key_file.write_text(ledger.agent("edge-1"))
    eventually(edge.is_empty)


def test_what_was_not_granted_is_stuck_and_kept(ledger: Guarded, edge: Edge, eventually: Wait) -> None:
    edge.key_file.write_text(ledger.agent("edge-1", ["*"], ["fake/one"]))
    uplink = edge.start(ledger)
    edge.append("fake/two")
    eventually(lambda: uplink.problem is not None)
    assert "refused as FORBIDDEN" in str(uplink.problem) and "source 'fake/two'" in str(uplink.problem)
    assert edge.spool.sizes().batches == 1
    edge.key_file.write_text(ledger.agent("edge-1"))
    eventually(edge.is_empty)


def test_mutual_tls_with_certificates_that_change(tmp_path: Path, edge: Edge, eventually: Wait) -> None:
    clients = Authority(tmp_path / "clients")
    (tmp_path / "ledger").mkdir()
    with guarded(tmp_path / "ledger", clients) as ledger:
        edge.key_file.write_text(ledger.agent("edge-1"))
        pair = clients.issue("agent:edge-1", valid_days=-1, file="client")
        edge.append()
        uplink = edge.start(ledger, cert_file=pair.cert_file, key_file=pair.key_file)
        lost = "meterbook_agent_uplink_disconnections_total"
        eventually(lambda: (edge.metrics.registry.get_sample_value(lost) or 0) >= 2)
        assert edge.spool.sizes().batches == 1
        clients.issue("agent:edge-1", file="client")
        eventually(edge.is_empty)
        uplink.stop(0)
