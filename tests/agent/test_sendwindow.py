"""The send window lets go in order, never too many, and can be waited for."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from agent.sendwindow import SendWindow
from agent.spool import SealedBatch


def batch(sequence: int) -> SealedBatch:
    return SealedBatch(1, sequence, b"", b"", b"", b"", b"", b"", b"", b"", b"", 0, 0, 0)


class Stock:
    """Batches 1 to ``end``."""

    def __init__(self, end: int) -> None:
        self.end = end

    def __call__(self, sequence: int, limit: int) -> Sequence[SealedBatch]:
        return [batch(number) for number in range(sequence + 1, min(self.end, sequence + limit) + 1)]


def test_nothing_goes_before_the_resume() -> None:
    window = SendWindow(Stock(3))
    assert window.take(0) is None
    window.open(1, 5)
    assert [window.take(0), window.take(0), window.take(0)] == [batch(2), batch(3), None]


@given(st.integers(1, 5), st.lists(st.sampled_from(["take", "ack", "grow"]), max_size=60))
def test_in_order_and_never_too_many(in_flight_max: int, acts: list[str]) -> None:
    stock = Stock(3)
    window = SendWindow(stock)
    window.open(0, in_flight_max)
    sent = acked = 0
    for act in acts:
        if act == "take":
            taken = window.take(0)
            if sent < stock.end and sent - acked < in_flight_max:
                sent += 1
                assert taken == batch(sent)
            else:
                assert taken is None
        elif act == "ack" and acked < sent:
            acked += 1
            window.acknowledged(acked)
        elif act == "grow":
            stock.end += 1
            window.wake()


def test_a_waiting_sender_is_woken() -> None:
    stock = Stock(0)
    window = SendWindow(stock)
    window.open(0, 1)
    taken: list[SealedBatch | None] = []
    sender = threading.Thread(target=lambda: taken.append(window.take(30)))
    sender.start()
    stock.end = 1
    window.wake()
    sender.join(30)
    assert taken == [batch(1)]


def test_closing_ends_the_wait() -> None:
    window = SendWindow(Stock(0))
    taken: list[SealedBatch | None] = []
    sender = threading.Thread(target=lambda: taken.append(window.take(30)))
    sender.start()
    window.close()
    sender.join(30)
    assert taken == [None]
    assert window.is_closed


def test_how_long_each_was_under_way_is_told_once() -> None:
    window = SendWindow(Stock(4))
    window.open(0, 4)
    for _ in range(3):
        window.take(0)
    took_s = window.acknowledged(2)
    assert len(took_s) == 2 and took_s[0] >= took_s[1] >= 0
    assert window.acknowledged(2) == []
    assert len(window.acknowledged(3)) == 1
    # What another stream had under way is not this one's.
    window.take(0)
    window.open(3, 4)
    assert window.acknowledged(4) == []


def test_a_narrow_window_lets_one_go_at_a_time() -> None:
    window = SendWindow(Stock(5))
    window.open(0, 3)
    assert [window.take(0), window.take(0)] == [batch(1), batch(2)]
    window.narrow(True)
    assert window.take(0) is None
    window.acknowledged(1)
    assert window.take(0) is None
    window.acknowledged(2)
    assert [window.take(0), window.take(0)] == [batch(3), None]
    window.narrow(False)
    assert [window.take(0), window.take(0), window.take(0)] == [batch(4), batch(5), None]


def test_a_narrow_window_that_is_not_open_stays_shut() -> None:
    window = SendWindow(Stock(1))
    window.narrow(True)
    assert window.take(0) is None


def test_silence_counts_only_while_an_answer_is_due() -> None:
    window = SendWindow(Stock(1))
    assert window.silent_s > 0  # the Resume is due
    window.open(0, 1)
    assert window.silent_s == 0
    window.take(0)
    assert window.silent_s > 0
    window.acknowledged(1)
    assert window.silent_s == 0
