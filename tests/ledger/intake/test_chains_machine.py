"""Whatever happens to agents, disk and ledger, in any order: nothing acknowledged is lost, nothing is there twice."""

from __future__ import annotations

import tempfile
from concurrent.futures import Future
from pathlib import Path

import pytest
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from ledger.intake.chains import Chain, Chains
from ledger.intake.refusals import Refused
from ledger.journal.errors import LogUnavailable, Overtaken
from ledger.journal.journal import Journal
from ledger.journal.log import Log
from meterbook.intake.v1 import intake_pb2
from meterbook.ledger.v1 import journal_pb2
from meterbook.wire.seal import GENESIS
from tests.ledger.batches import EPOCH, Sender, chains, content, event
from tests.ledger.intake.failing import WAIT_S, Disk

AGENTS = ["a", "b"]


class ChainsMachine(RuleBasedStateMachine):
    """Two agents with unlimited memory against one ledger."""

    @initialize()
    def open_ledger(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.patches = pytest.MonkeyPatch()
        self.disk = Disk(self.patches)
        #: Every batch that an agent ever made, and what the ledger acknowledged of it.
        self.made: dict[str, list[intake_pb2.Batch]] = {agent: [] for agent in AGENTS}
        self.positions: dict[tuple[str, int], int] = {}
        self.under_way: list[tuple[str, intake_pb2.Batch, Future[int]]] = []
        self.number = 0
        self.start()

    def start(self) -> None:
        self.journal = Journal(Path(self.folder.name))
        self.chains: Chains = chains(self.journal)
        self.streams: dict[str, Chain] = {}
        self.sent: dict[str, int] = {}
        for agent in AGENTS:
            self.hello(agent)

    @rule(agent=st.sampled_from(AGENTS))
    def hello(self, agent: str) -> None:
        self.streams[agent] = self.chains.hello(Sender(agent).hello())
        try:
            sequence, digest = self.chains.durable(self.streams[agent])
        except (LogUnavailable, Overtaken):
            self.streams[agent] = self.chains.hello(Sender(agent).hello())
            sequence, digest = self.chains.durable(self.streams[agent])
        self.settle()
        acknowledged = [number for name, number in self.positions if name == agent]
        assert sequence >= max(acknowledged, default=0)
        assert sequence <= len(self.made[agent])
        assert digest == (self.made[agent][sequence - 1].hash if sequence else GENESIS)
        self.sent[agent] = sequence

    @rule(agent=st.sampled_from(AGENTS), count=st.integers(1, 4))
    def send(self, agent: str, count: int) -> None:
        for _ in range(count):
            made = self.made[agent]
            if self.sent[agent] == len(made):
                self.number += 1
                made_by = Sender(agent, EPOCH, len(made), made[-1].hash if made else GENESIS)
                made.append(made_by.next(content(events=[event(self.number)])))
            self.accept(agent, made[self.sent[agent]])

    @precondition(lambda self: any(self.made.values()))
    @rule(data=st.data())
    def replay(self, data: st.DataObject) -> None:
        agent = data.draw(st.sampled_from([agent for agent in AGENTS if self.made[agent]]))
        sequence = data.draw(st.integers(1, len(self.made[agent])))
        self.accept(agent, self.made[agent][sequence - 1])

    def accept(self, agent: str, batch: intake_pb2.Batch) -> None:
        try:
            self.under_way.append((agent, batch, self.chains.accept(self.streams[agent], batch)))
        except Refused as refused:
            self.check_refusal(refused, is_ahead=batch.sequence > self.sent[agent] + 1)
        else:
            self.sent[agent] = max(self.sent[agent], batch.sequence)

    @staticmethod
    def check_refusal(refused: Refused, is_ahead: bool) -> None:
        expected = {intake_pb2.REFUSAL_CODE_UNAVAILABLE}
        if is_ahead:
            expected.add(intake_pb2.REFUSAL_CODE_OUT_OF_ORDER)
        assert refused.code in expected, refused.message

    @rule()
    def settle(self) -> None:
        for agent, batch, future in self.under_way:
            if future.exception(WAIT_S) is None:
                place = (agent, batch.sequence)
                assert self.positions.setdefault(place, future.result()) == future.result()
            else:
                # What is on its way can be overtaken by its own replay, and a replay refused by a ledger that stops.
                assert isinstance(future.exception(), LogUnavailable | Overtaken | Refused)
                may_be_there = isinstance(future.exception(), Overtaken | Refused)
                assert may_be_there or (agent, batch.sequence) not in self.positions
        self.under_way.clear()

    @rule(full=st.booleans())
    def fill_or_free_the_disk(self, full: bool) -> None:
        self.disk.full = full

    @rule()
    def restart(self) -> None:
        self.chains.close()
        self.journal.close()
        self.disk.full = False
        self.settle()
        self.start()

    @rule()
    def check_the_log(self) -> None:
        """The last word is the log's: in each chain every sequence once, in order, and where the ack said."""
        self.settle()
        check(self.journal.log, self.made, self.positions)

    @invariant()
    def the_tables_are_not_in_trouble(self) -> None:
        assert self.journal.materialiser.trouble is None

    def teardown(self) -> None:
        if hasattr(self, "journal"):
            self.check_the_log()
            view = self.journal.view()
            assert view.count("events") == view.count("batches") == view.position
            self.chains.close()
            self.journal.close()
            self.patches.undo()
            self.folder.cleanup()


def check(log: Log, made: dict[str, list[intake_pb2.Batch]], positions: dict[tuple[str, int], int]) -> None:
    found: dict[tuple[str, int], int] = {}
    for record in log.reader(stored=True).read(1 << 30):
        stored = journal_pb2.BatchRecord.FromString(record.payload)
        sequence = stored.batch.sequence
        assert sequence == 1 + sum(agent == stored.agent for agent, _ in found)
        assert record.draft.hash == stored.batch.hash
        assert stored.batch == made[stored.agent][sequence - 1]
        found[stored.agent, sequence] = record.position
    assert positions.items() <= found.items()


TestChains = ChainsMachine.TestCase
# One step takes a tenth of a second: what fails is shown as it is, for a shorter story would take minutes to find.
TestChains.settings = settings(
    max_examples=2 + settings.default.max_examples // 20,
    stateful_step_count=20,
    phases=(Phase.explicit, Phase.generate),
)
