"""What other agents read, as the agent knows it."""

from __future__ import annotations

from collections.abc import Collection

from agent.leases import Answer, Leases


class Ledger:
    """Answers, or does not."""

    def __init__(self) -> None:
        self.answer: Answer | None = None
        self.asked: list[list[str]] = []
        self.now_s = 0.0

    def ask(self, sources: Collection[str]) -> Answer | None:
        self.asked.append(sorted(sources))
        return self.answer


def test_a_ledger_that_cannot_be_asked_keeps_nobody_from_reading() -> None:
    ledger = Ledger()
    leases = Leases(ledger.ask, lambda: ledger.now_s)
    assert leases.elsewhere(["a", "b"]) == {}
    ledger.answer = Answer({"a": "edge-2"}, 30.0)
    assert leases.elsewhere(["a", "b"]) == {"a": "edge-2"}
    ledger.answer = None
    ledger.now_s = 29.0
    assert leases.elsewhere(["a", "b"]) == {"a": "edge-2"}
    assert leases.elsewhere(["b"]) == {}
    ledger.now_s = 30.0
    assert leases.elsewhere(["a", "b"]) == {}


def test_what_is_not_wanted_any_more_is_let_go_of() -> None:
    ledger = Ledger()
    leases = Leases(ledger.ask, lambda: ledger.now_s)
    assert leases.elsewhere([]) == {} and ledger.asked == []
    ledger.answer = Answer({}, 30.0)
    leases.elsewhere(["a"])
    leases.elsewhere([])
    assert ledger.asked == [["a"], []]


def test_the_same_is_asked_only_now_and_then() -> None:
    ledger = Ledger()
    leases = Leases(ledger.ask, lambda: ledger.now_s)
    ledger.answer = Answer({"b": "edge-2"}, 30.0)
    for now_s, sources in (
        (0, ["a", "b"]),
        (5, ["b", "a"]),
        (10, ["a", "b"]),
        (11, ["a", "b", "c"]),
        (12, ["a", "b", "c"]),
    ):
        ledger.now_s = now_s
        assert leases.elsewhere(sources) == {"b": "edge-2"}
    assert ledger.asked == [["a", "b"], ["a", "b"], ["a", "b", "c"]]
