"""What an earlier build wrote is read by today's: its conversation, its store, its spool and its configurations.

The set lies in ``tests/data/upgrade`` and was written by a real build of the commit that its answers name.
"""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
import yaml

from agent.config import load as load_agent
from examples.demo.processes import free_ports
from ledger.server.config import load as load_ledger
from meterbook.intake.v1 import intake_pb2
from tests.e2e.spine import eventually
from tests.kill.programs import Meterbook, wait_for
from tests.upgrade.builds import GOLDEN, today
from tests.upgrade.fleet import Versioned
from tests.upgrade.kept import answers, serving, unpacked
from tests.upgrade.record import AGENT
from tests.upgrade.relay import Call, read

_SERVICE = "/meterbook.intake.v1.Intake/"
_PORTS = ("LEDGER_HTTP_PORT", "AGENT_HTTP_PORT", "LEDGER_PORT", "SHOP_PORT", "MACHINE_PORT")


def calls(method: str) -> list[Call]:
    return [each for each in read(GOLDEN / "conversation.jsonl.gz") if each.method == _SERVICE + method]


def with_news(message: bytes) -> bytes:
    """The same from a newer agent: hello and batch have a field that nobody here knows, of number 1000."""
    news = bytes([0xC2, 0x3E, 3]) + b"new"
    told = intake_pb2.ClientMessage.FromString(message)
    if told.HasField("hello"):
        told.hello.MergeFromString(news)
    else:
        told.batch.MergeFromString(news)
    changed = told.SerializeToString() + news
    assert changed.count(news) == 2
    return changed


def test_fields_of_a_newer_agent_are_left_aside(tmp_path: Path) -> None:
    streams = [call for call in calls("Stream") if len(call.said) > 1]
    with serving(tmp_path, tmp_path / "book") as ledger, grpc.insecure_channel(ledger.address) as channel:
        for call in streams:
            newer = Call(call.method, [with_news(each) for each in call.said])
            last = intake_pb2.ClientMessage.FromString(call.said[-1]).batch
            answered = said_again(channel, newer, last.sequence)
            assert answered[-1].ack.hash == last.hash
        ledger.asked("verify")


def test_an_agent_with_another_schema_is_told_which_is_read(tmp_path: Path) -> None:
    told = intake_pb2.ClientMessage.FromString(calls("Stream")[0].said[0])
    told.hello.schema += 1
    with serving(tmp_path, tmp_path / "book") as ledger, grpc.insecure_channel(ledger.address) as channel:
        (answer,) = channel.stream_stream(calls("Stream")[0].method)(iter([told.SerializeToString()]))
        refusal = intake_pb2.ServerMessage.FromString(answer).refusal
        assert refusal.code == intake_pb2.REFUSAL_CODE_MALFORMED
        assert f"schema {told.hello.schema} is not {told.hello.schema - 1}" in refusal.message


def said_again(channel: grpc.Channel, call: Call, last: int) -> list[intake_pb2.ServerMessage]:
    """What today's ledger answers to the very bytes, up to the acknowledgement of the last batch."""
    over = threading.Event()

    def messages() -> Iterator[bytes]:
        yield from call.said
        over.wait()

    answered = []
    for message in channel.stream_stream(call.method)(messages()):
        answered.append(intake_pb2.ServerMessage.FromString(message))
        assert not answered[-1].HasField("refusal"), answered[-1]
        if answered[-1].ack.sequence == last:
            break
    over.set()
    return answered


def test_the_ledger_takes_the_old_conversation_and_books_the_same(tmp_path: Path) -> None:
    told = answers()
    with serving(tmp_path, tmp_path / "book") as ledger, grpc.insecure_channel(ledger.address) as channel:
        ledger.asked("apply", "-f", str(GOLDEN / "definitions.yaml"), "--author", "golden")
        streams = [call for call in calls("Stream") if len(call.said) > 1]
        assert streams
        for call in streams:
            batches = [intake_pb2.ClientMessage.FromString(each).batch for each in call.said[1:]]
            answered = said_again(channel, call, batches[-1].sequence)
            assert answered[0].HasField("resume")
            assert next(each.ack.hash for each in reversed(answered) if each.HasField("ack")) == batches[-1].hash
        for method in ("Lease", "Record"):
            for call in calls(method):
                answer = channel.unary_unary(call.method)(call.said[0])
                assert bool(answer) == bool(call.answered[0])
        ledger.asked("book")
        assert eventually(lambda: ledger.usage() == told["usage"]), ledger.usage()
        ledger.asked("verify")


def test_the_old_store_verifies_and_its_invoices_are_the_same_to_the_byte(tmp_path: Path) -> None:
    told = answers()
    book = unpacked("book.tar.xz", tmp_path) / "book"
    today().run("verify", "--offline", str(book))
    signed = tmp_path / "checkpoint"
    signed.write_text(told["checkpoint"])
    with serving(tmp_path, book) as ledger:
        ledger.asked("verify", "--against", str(signed))
        assert eventually(lambda: ledger.usage() == told["usage"]), ledger.usage()
        assert len(told["invoices"]) >= 2
        for name, document in told["invoices"].items():
            assert ledger.asked("invoice", "show", name, "--format", "json") == document
            ledger.asked("invoice", "verify", name)


def test_an_old_store_without_its_tables_is_the_same(tmp_path: Path) -> None:
    book = unpacked("book.tar.xz", tmp_path) / "book"
    shutil.rmtree(book / "tables")
    with serving(tmp_path, book) as ledger:
        assert eventually(lambda: ledger.usage() == answers()["usage"]), ledger.usage()
        ledger.asked("verify")


def test_the_agent_sends_the_old_spool_whole(tmp_path: Path) -> None:
    book = unpacked("book.tar.xz", tmp_path) / "book"
    spool = tmp_path / "agent.spool"
    shutil.copyfile(GOLDEN / "agent.spool", spool)
    (tmp_path / "nothing.log").touch()
    with serving(tmp_path, book) as ledger:
        (http,) = free_ports(1)
        config = {
            "agent": AGENT,
            "ledger": {"endpoint": ledger.address},
            "spool": {"path": str(spool)},
            "http": {"listen": f"127.0.0.1:{http}"},
            "sources": [{"kind": "logfile", "name": "logfile/nothing", "path": str(tmp_path / "nothing.log")}],
        }
        path = tmp_path / "agent.yaml"
        path.write_text(yaml.safe_dump(config))
        arguments = ["agent", "run", "--config", str(path)]
        agent = Versioned(Meterbook(AGENT, arguments, http, tmp_path / "agent.log"), today())
        try:
            agent.start()
            wait_for(
                "the spool is sent", lambda: agent.works() and not agent.metrics()["meterbook_agent_spool_batches"]
            )
            assert agent.metrics().get("meterbook_agent_epochs_begun_total", 0.0) == 0.0
            assert eventually(lambda: ledger.usage() == answers()["usage_with_spool"]), ledger.usage()
            ledger.asked("verify")
        finally:
            agent.close()


def test_the_spool_had_batches_that_no_ledger_had() -> None:
    """Or the test above would show nothing."""
    told = answers()
    assert told["usage"].keys() <= told["usage_with_spool"].keys()
    assert told["usage"] != told["usage_with_spool"]


def test_old_configurations_are_read(tmp_path: Path) -> None:
    folder = unpacked("configs.tar.xz", tmp_path)
    found = sorted(folder.rglob("*.yaml"))
    agents = [path for path in found if "sources" in _mapping(path) and "agent" in _mapping(path)]
    ledgers = [path for path in found if "listen" in _mapping(path)]
    assert len(agents) >= 2 and len(ledgers) >= 2
    for path in agents:
        load_agent(_with_ports(path))
    for path in ledgers:
        load_ledger(_with_ports(path), {})


def test_a_store_of_a_later_format_is_refused_with_what_to_do(tmp_path: Path) -> None:
    book = unpacked("book.tar.xz", tmp_path) / "book"
    (book / "FORMAT").write_text("meterbook journal 3\n")
    before = {path: path.stat().st_mtime_ns for path in book.rglob("*") if path.is_file()}
    with pytest.raises(Exception, match="use the version of Meterbook that wrote it"):
        today().run("ledger", "serve", "--store", f"file:{book}", "--listen", "127.0.0.1:0", "--http", "127.0.0.1:0")
    assert before == {
        path: path.stat().st_mtime_ns for path in book.rglob("*") if path.is_file() and path.name != "LOCK"
    } | {path: changed for path, changed in before.items() if path.name == "LOCK"}


def _mapping(path: Path) -> dict[str, object]:
    documents = [each for each in yaml.safe_load_all(path.read_text()) if isinstance(each, dict)]
    return documents[0] if len(documents) == 1 else {}


def _with_ports(path: Path) -> Path:
    """Examples have names where the demo puts ports and folders."""
    text = path.read_text()
    for number, name in enumerate(_PORTS):
        text = text.replace(f"${name}", str(9000 + number))
    path.write_text(text.replace("$DIRECTORY", str(path.parent)))
    return path
