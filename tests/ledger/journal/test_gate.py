"""Readers share; whoever wants to be alone gets it only while there are none."""

from __future__ import annotations

import threading

from ledger.journal.gate import Gate


def test_alone_only_without_readers() -> None:
    gate = Gate()
    gate.enter()
    with gate.alone(0.01) as is_alone:
        assert not is_alone
        gate.enter()  # and readers are not kept out by the attempt
        gate.leave()
    gate.leave()
    with gate.alone(0.01) as is_alone:
        assert is_alone


def test_a_reader_waits_until_the_other_is_done() -> None:
    gate = Gate()
    entered = threading.Event()
    reader = threading.Thread(target=lambda: (gate.enter(), entered.set()))
    with gate.alone(0.01) as is_alone:
        assert is_alone
        reader.start()
        assert not entered.wait(0.05)
        with gate.alone(0.01) as again:
            assert not again
    reader.join()
    assert entered.is_set()
