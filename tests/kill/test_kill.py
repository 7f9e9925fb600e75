"""A short run of what ``make kill`` does for ten minutes; and that the reckoning finds a single event too few."""

from __future__ import annotations

import socket
from decimal import Decimal
from pathlib import Path
from random import Random

import pytest

from tests.kill.asker import Asker
from tests.kill.forwarder import Forwarder
from tests.kill.programs import Meterbook
from tests.kill.reckoning import compare
from tests.kill.run import survived
from tests.kill.tally import EVENTS, TENANTS, VALUES, WORK, differences
from tests.kill.world import file_world
from tests.servers.process import free_ports

pytestmark = pytest.mark.slow

SECONDS, SEED, HASTE = 12.0, 192, 2.0


@pytest.mark.timeout(900)
def test_everything_is_killed_and_nothing_is_lost_or_counted_twice(tmp_path: Path) -> None:
    with survived(tmp_path, "file", SECONDS, SEED, haste=HASTE) as outcome:
        assert outcome.verdict.differs == []
        assert set(outcome.reaper.kills) == {"ledger", "agent-a", "agent-b"}
        figures = outcome.figures
        assert figures["events_metered"] == figures["events_made"] > 0
        assert figures["duplicates_refused"] == figures["duplicates_written"] > 0
        assert {meter for meter, _ in outcome.tally.expected()} == {EVENTS, VALUES, WORK}
        assert len(outcome.verdict.verified) == 2
        assert all("the book holds" in each for each in outcome.verdict.verified)

        outcome.tally.event(TENANTS[0], Decimal("0.01"))
        found = compare(outcome.world, outcome.tally, patience_s=0)
        assert [each.partition(":")[0] for each in found] == [f"events of {TENANTS[0]}", f"values of {TENANTS[0]}"]


def test_every_difference_is_told() -> None:
    ours = {(EVENTS, "acme"): Decimal(3), (WORK, "acme"): Decimal(7)}
    assert differences(ours, dict(ours)) == []
    theirs = {(EVENTS, "acme"): Decimal(3), (WORK, "acme"): Decimal(8), (EVENTS, "globex"): Decimal(0)}
    assert differences(ours, theirs) == [
        "events of globex: the client counted nothing, the ledger says 0",
        "work of acme: the client counted 7, the ledger says 8",
    ]


def test_a_question_may_fail_only_while_something_is_down(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = file_world(tmp_path)
    question = ["usage", "--ledger", f"127.0.0.1:{world.port}"]
    try:
        asker = Asker(world, Random(0), lambda: 0.0)
        asker.ask(question)
        assert asker.refused["usage"] == 1
        assert asker.faults == []
        asker.ask([*question, "--window", "fortnight"])
        assert "no single sentence" in asker.faults.pop()
        monkeypatch.setattr(Meterbook, "works", lambda self: True)
        asker.ask(question)
        assert "failed while nothing was down" in asker.faults.pop()
    finally:
        world.close()


def test_the_forwarder_finds_the_replica_that_is_up() -> None:
    (down,) = free_ports(1)
    with socket.create_server(("127.0.0.1", 0)) as replica:
        forwarder = Forwarder([down, replica.getsockname()[1]], Random(0))
        forwarder.start()
        for _ in range(3):
            with socket.create_connection(("127.0.0.1", forwarder.port)) as client:
                behind, _ = replica.accept()
                with behind:
                    client.sendall(b"ping")
                    assert behind.recv(4) == b"ping"
                    behind.sendall(b"pong")
                    assert client.recv(4) == b"pong"
                    forwarder.cut()
                    assert client.recv(1) == b""
        forwarder.stop()
