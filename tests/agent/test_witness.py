"""The agent as a witness, against ledgers that are honest, rewritten, forked, rolled back, or somebody else's."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.config import LedgerConfig
from agent.selfmetrics import SelfMetrics
from agent.spool import Spool
from agent.uplink import Uplink
from agent.witness import Distrusted, OwnBatch, Trust, Witness, witnessed
from meterbook.intake.v1 import intake_pb2
from meterbook.proof.checkpoint import Checkpoint, sign_checkpoint
from meterbook.proof.errors import ProofError
from meterbook.proof.keys import Rotation, sign_rotation
from meterbook.proof.leaf import BATCH, agent_chain, leaf_data
from meterbook.proof.merkle import Frontier, consistency_path, inclusion_path, leaf_hash
from meterbook.proof.note import SigningKey
from meterbook.proof.tiles import nodes_of
from tests.fakes.intake import FakeLedger
from tests.proof.signing import ORIGIN, key

AGENT, EPOCH = "edge-1", 1_769_851_800_000_000


def digest(sequence: int) -> bytes:
    return sha256(b"batch %d" % sequence).digest()


def own(sequence: int) -> OwnBatch:
    return OwnBatch(AGENT, EPOCH, sequence, digest(sequence))


@dataclass
class Book:
    """A ledger's tree: every third record is one of ours. ``salt`` makes another history of the others."""

    size: int
    salt: bytes = b""
    salted_from: int = 0
    keys: tuple[SigningKey, ...] = (key(1),)
    rotations: list[str] = field(default_factory=list)
    origin: str = ORIGIN

    def leaves(self, size: int) -> list[bytes]:
        found = []
        for position in range(1, size + 1):
            if position % 3 == 0:
                chain, sequence, what = agent_chain(AGENT, EPOCH), position // 3, digest(position // 3)
            else:
                salt = self.salt if position > self.salted_from else b""
                chain, sequence, what = "agent/other/1", position, sha256(b"%d" % position + salt).digest()
            found.append(leaf_hash(leaf_data(BATCH, position, chain, sequence, what)))
        return found

    def shown(self, held: int, sequence: int | None = None, size: int | None = None) -> intake_pb2.Witness:
        """What an honest ledger shows of itself."""
        size = size or self.size
        leaves = self.leaves(size)
        nodes = nodes_of(leaves)
        checkpoint = Checkpoint(self.origin, size, Frontier().appended(leaves).root())
        sequence = size // 3 if sequence is None else sequence
        inclusion = None
        if sequence:
            path = inclusion_path(3 * sequence - 1, size, nodes)
            inclusion = intake_pb2.Inclusion(sequence=sequence, position=3 * sequence, time_us=3 * sequence, path=path)
        return intake_pb2.Witness(
            checkpoint=sign_checkpoint(checkpoint, self.keys),
            verifier_keys=[str(each.verifier) for each in self.keys],
            rotations=self.rotations,
            consistent_with_size=held,
            consistency_path=consistency_path(held, size, nodes) if held <= size else [],
            inclusion=inclusion,
        )


def trusting(size: int) -> Trust:
    return witnessed(Trust(), Book(size).shown(0), own(size // 3))


@given(st.lists(st.integers(3, 60), min_size=1, max_size=6))
def test_an_honest_ledger_is_believed_however_it_grows(sizes: list[int]) -> None:
    trust = Trust()
    held = 0
    for size in sorted(sizes):
        trust = witnessed(Trust.from_json(trust.to_json()), Book(size).shown(held), own(size // 3))
        held = size
        assert trust.checkpoint is not None and trust.checkpoint.size == size
    assert [item.hint for item in trust.keys] == [key(1).verifier.hint]


@given(st.integers(1, 40), st.integers(0, 40), st.data())
def test_a_rewritten_or_forked_ledger_is_not(size: int, grown: int, data: st.DataObject) -> None:
    from_position = data.draw(st.integers(0, size - 1).filter(lambda p: any(n % 3 for n in range(p + 1, size + 1))))
    trust = witnessed(Trust(), Book(size).shown(0, 0), None)
    forked = Book(size + grown, b"x", from_position)
    with pytest.raises(ProofError):
        witnessed(trust, forked.shown(size, 0), None)


def test_a_ledger_that_went_back_is_not() -> None:
    with pytest.raises(ProofError, match="the ledger went back from 20 records to 12"):
        witnessed(trusting(20), Book(12).shown(20), own(4))


def test_a_ledger_that_does_not_have_our_batch_is_not() -> None:
    trust = trusting(12)
    ours = own(6)
    assert witnessed(trust, Book(20).shown(12), ours)
    with pytest.raises(ProofError, match="the path leads to the root"):
        witnessed(trust, Book(20).shown(12), replace(ours, hash=digest(99)))
    with pytest.raises(ProofError, match="the path leads to the root"):
        witnessed(trust, Book(20).shown(12), replace(ours, epoch=EPOCH + 1))


def test_a_path_from_elsewhere_or_none_is_not_believed() -> None:
    with pytest.raises(ProofError, match="the path begins from 9 records, and not from 12"):
        witnessed(trusting(12), Book(20).shown(9), own(6))
    with pytest.raises(ProofError, match="the path is empty"):
        witnessed(trusting(12), Book(20).shown(0), own(6))


def test_another_key_and_another_ledger_are_not_believed() -> None:
    for other in (Book(20, keys=(key(2),)), Book(20, keys=(key(1, "other/book"),), origin="other/book")):
        with pytest.raises(ProofError):
            witnessed(trusting(12), other.shown(12), own(6))
    shown = Book(20).shown(0)
    shown.ClearField("verifier_keys")
    with pytest.raises(ProofError, match="no key that signed it"):
        witnessed(Trust(), shown, own(6))


def test_an_agent_that_slept_through_rotations_follows_them() -> None:
    trust = trusting(12)
    second, third = (replace(key(number).verifier, from_size=size) for number, size in ((2, 15), (3, 18)))
    rotations = [
        sign_rotation(Rotation(ORIGIN, second), key(1)),
        sign_rotation(Rotation(ORIGIN, third), key(2)),
    ]
    found = witnessed(trust, Book(20, keys=(key(3),), rotations=rotations).shown(12), own(6))
    assert found.keys == (key(1).verifier, second, third)
    again = Trust.from_json(found.to_json())
    assert again == found and [each.from_size for each in again.keys] == [0, 15, 18]
    with pytest.raises(ProofError, match="signs from 18 records on"):
        witnessed(trust, Book(17, keys=(key(3),), rotations=rotations).shown(12), own(5))
    forged = [rotations[0], sign_rotation(Rotation(ORIGIN, third), key(9))]
    with pytest.raises(ProofError, match="does not follow"):
        witnessed(trust, Book(20, keys=(key(3),), rotations=forged).shown(12), own(6))


# With a spool.


def test_distrust_is_told_kept_and_written_down_once(
    spool: Spool, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    witness = Witness(spool, None, clock=lambda: 1_234)
    witness.shown(Book(20).shown(0, 0))
    assert (witness.size, witness.distrust) == (20, "")
    forked = Book(25, b"x").shown(20, 0)
    for _ in range(2):
        with pytest.raises(Distrusted, match="cannot be believed"):
            witness.shown(forked)
    evidence = (tmp_path / "evidence-1234.txt").read_text()
    before = Book(20).shown(0, 0).checkpoint
    assert before in evidence and forked.checkpoint in evidence
    assert before in caplog.text and forked.checkpoint in caplog.text
    assert len(list(tmp_path.glob("evidence-*"))) == 1
    assert len([record for record in caplog.records if record.levelname == "ERROR"]) == 1
    assert (witness.size, witness.failures) == (20, 2)
    later = Witness(spool, None)
    assert later.distrust == witness.distrust != ""
    later.shown(Book(22).shown(20, 0))
    assert (later.distrust, later.size, Witness(spool, None).distrust) == ("", 22, "")


def test_the_hash_that_counts_is_our_own(spool: Spool) -> None:
    spool_book = Book(20)
    witness = Witness(spool, None)
    shown = spool_book.shown(0)
    witness.acknowledged(6, digest(99))
    with pytest.raises(Distrusted):
        witness.shown(shown)
    witness.resumed()
    witness.shown(shown)
    assert witness.distrust == "", "a batch whose hash nobody remembers proves nothing, and is no fault"


def test_a_configured_key_counts_more_than_the_first_one_seen(spool: Spool) -> None:
    with pytest.raises(Distrusted, match="signed by"):
        Witness(spool, str(key(7).verifier)).shown(Book(20).shown(0, 0))
    Witness(spool, str(key(1).verifier)).shown(Book(20).shown(0, 0))
    moved = Witness(spool, str(key(2).verifier))
    moved.shown(Book(25, keys=(key(2),)).shown(20, 0))
    assert (moved.distrust, moved.size) == ("", 25)
    with pytest.raises(ValueError, match=r"NAME\+ID\+BASE64"):
        LedgerConfig.model_validate({"endpoint": "127.0.0.1:1", "verifier_key": "x"})


def test_problem_and_metrics_say_it(spool: Spool) -> None:
    metrics = SelfMetrics()
    uplink = Uplink(LedgerConfig(endpoint="127.0.0.1:1"), spool, metrics)

    def value(name: str) -> float | None:
        return metrics.registry.get_sample_value(f"meterbook_agent_{name}")

    uplink._witness.shown(Book(20).shown(0, 0))
    assert (value("ledger_trusted"), value("witness_failures"), value("witnessed_records")) == (1, 0, 20)
    assert uplink.problem is None
    with pytest.raises(Distrusted):
        uplink._witness.shown(Book(12).shown(20, 0))
    assert (value("ledger_trusted"), value("witness_failures"), value("witnessed_records")) == (0, 1, 20)
    assert uplink.problem is not None and "went back from 20 records to 12" in uplink.problem


def test_nothing_is_sent_until_the_ledger_is_believed_again(
    spool: Spool, ledger: FakeLedger, eventually: Callable[[Callable[[], bool]], None]
) -> None:
    """Also by a ledger that shows nothing at all any more."""
    witness = Witness(spool, None)
    witness.shown(Book(20).shown(0, 0))
    with pytest.raises(Distrusted):
        witness.shown(Book(12).shown(20, 0))
    metrics = SelfMetrics()
    endpoint = ledger.endpoint
    uplink = Uplink(LedgerConfig(endpoint=endpoint, ack_timeout_s=0.2), spool, metrics)
    uplink.start()
    try:
        eventually(lambda: (metrics.registry.get_sample_value("meterbook_agent_uplink_disconnections_total") or 0) >= 1)
        assert metrics.registry.get_sample_value("meterbook_agent_uplink_connected") == 0
        hellos = ledger.intake.hellos
        assert hellos[0].checkpoint_size == 20
    finally:
        uplink.stop(0)
