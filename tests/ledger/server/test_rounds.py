"""Rounds take what has come on all streams, each in order, give each its own outcome, and wait only where it is worth it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.server import rounds as module
from ledger.server.inbox import Inbox, Room
from ledger.server.rounds import LONG_S, MESSAGES_MAX, MESSAGES_MIN, PACE_S, Messages, Rounds
from meterbook.intake.v1 import intake_pb2

Taken = list[tuple[str, list[int]]]


async def filled(sequences: Sequence[int], size: int = 0) -> Inbox:
    async def messages() -> AsyncIterator[intake_pb2.ClientMessage]:
        for sequence in sequences:
            yield intake_pb2.ClientMessage(batch=intake_pb2.Batch(sequence=sequence, samples=bytes(size)))

    inbox = Inbox(Room())
    await inbox.fill(messages())
    return inbox


class Work:
    """What a round is for: notes what it is given, waits while it is told to, and says it back."""

    def __init__(self) -> None:
        self.rounds: list[Taken] = []
        self.may_end = threading.Event()
        self.may_end.set()

    def __call__(self, portions: Sequence[tuple[str, Messages]]) -> list[list[int]]:
        taken = [(sender, [message.batch.sequence for message in messages]) for sender, messages in portions]
        self.rounds.append(taken)
        assert self.may_end.wait(60)
        return [sequences for _, sequences in taken]


@pytest.fixture
def executor() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(4) as threads:
        yield threads


async def all_of(rounds: Rounds[str, list[int]], sender: str, inbox: Inbox) -> list[int]:
    found: list[int] = []
    while await inbox.has_some():
        found += await rounds.join(sender, inbox)
    return found


def with_clock(run: Callable[[list[float]], Awaitable[None]]) -> None:
    """Run with a clock that stands still unless it is moved."""
    loop = asyncio.new_event_loop()
    clock = [loop.time()]
    loop.time = lambda: clock[0]  # type: ignore[method-assign]
    try:
        loop.run_until_complete(run(clock))
    finally:
        loop.close()


async def begun(work: Work, count: int) -> None:
    while len(work.rounds) < count:
        await asyncio.sleep(0)


@given(
    lengths=st.lists(st.integers(0, 40), min_size=1, max_size=6), at_once=st.integers(1, 3), share=st.integers(1, 70)
)
def test_every_message_is_taken_once_and_in_order(lengths: list[int], at_once: int, share: int) -> None:
    work = Work()

    async def run(executor: ThreadPoolExecutor) -> list[list[int]]:
        rounds: Rounds[str, list[int]] = Rounds(executor, work, at_once, share)
        inboxes = [await filled(range(length)) for length in lengths]
        return await asyncio.gather(*(all_of(rounds, str(place), inbox) for place, inbox in enumerate(inboxes)))

    with ThreadPoolExecutor(4) as executor:
        assert asyncio.run(run(executor)) == [list(range(length)) for length in lengths]
    for taken in work.rounds:
        assert all(len(sequences) <= share for _, sequences in taken)
        assert sum(len(sequences) for _, sequences in taken) <= MESSAGES_MAX


def test_who_comes_while_all_threads_are_busy_shares_the_next_round(executor: ThreadPoolExecutor) -> None:
    work = Work()
    work.may_end.clear()

    async def run(clock: list[float]) -> None:
        rounds: Rounds[str, list[int]] = Rounds(executor, work, 1)
        first = asyncio.create_task(rounds.join("first", await filled([1])))
        await begun(work, 1)
        others = [asyncio.create_task(rounds.join(name, await filled([7]))) for name in ("second", "third")]
        await asyncio.sleep(0)
        work.may_end.set()
        assert await asyncio.gather(first, *others) == [[1], [7], [7]]

    with_clock(run)
    assert work.rounds == [[("first", [1])], [("second", [7]), ("third", [7])]]


def test_a_round_with_a_single_message_is_followed_at_once(executor: ThreadPoolExecutor) -> None:
    async def run(clock: list[float]) -> None:
        rounds: Rounds[str, list[int]] = Rounds(executor, Work(), 1)
        for sequence in range(5):
            assert await rounds.join("sender", await filled([sequence])) == [sequence]

    with_clock(run)


def test_a_round_with_several_messages_is_followed_after_a_while(executor: ThreadPoolExecutor) -> None:
    work = Work()

    async def run(clock: list[float]) -> None:
        rounds: Rounds[str, list[int]] = Rounds(executor, work, 1)
        await rounds.join("first", await filled([1, 2]))
        others = [asyncio.create_task(rounds.join(name, await filled([7]))) for name in ("second", "third")]
        for _ in range(100):
            await asyncio.sleep(0)
        assert len(work.rounds) == 1
        clock[0] += PACE_S
        assert await asyncio.gather(*others) == [[7], [7]]

    with_clock(run)
    assert work.rounds[1:] == [[("second", [7]), ("third", [7])]]


def test_who_is_held_back_waits_for_the_next_round(executor: ThreadPoolExecutor) -> None:
    work = Work()

    async def run(clock: list[float]) -> None:
        rounds: Rounds[str, list[int]] = Rounds(executor, work, 1, hold_back_s=lambda: 5.0)
        await rounds.join("first", await filled([1]))
        second = asyncio.create_task(rounds.join("second", await filled([2])))
        for _ in range(100):
            await asyncio.sleep(0)
        assert len(work.rounds) == 1
        clock[0] += 5.0
        assert await second == [2]

    with_clock(run)


def test_rounds_that_take_long_get_shorter_and_longer_again(executor: ThreadPoolExecutor) -> None:
    work, takes_s = Work(), [PACE_S]

    async def run(clock: list[float]) -> None:
        def worked(portions: Sequence[tuple[str, Messages]]) -> list[list[int]]:
            clock[0] += takes_s[0]
            return work(portions)

        rounds: Rounds[str, list[int]] = Rounds(executor, worked, 1)
        inboxes = [await filled(range(1_000)) for _ in range(5)]

        async def lengths(count: int) -> list[int]:
            before = len(work.rounds)
            while len(work.rounds) < before + count:
                await asyncio.gather(*(rounds.join("sender", inbox) for inbox in inboxes))
            return [sum(len(sequences) for _, sequences in taken) for taken in work.rounds[before:]]

        assert max(await lengths(10)) == MESSAGES_MAX
        takes_s[0] = LONG_S * 2
        await lengths(10)
        assert set(await lengths(3)) == {MESSAGES_MIN, 1}
        takes_s[0] = PACE_S
        await lengths(10)
        assert max(await lengths(2)) == MESSAGES_MAX

    with_clock(run)


def test_who_brings_little_comes_first(executor: ThreadPoolExecutor) -> None:
    work = Work()
    work.may_end.clear()

    async def run() -> None:
        rounds: Rounds[str, list[int]] = Rounds(executor, work, 1)
        joined = [asyncio.create_task(rounds.join("first", await filled([1])))]
        await begun(work, 1)
        joined += [asyncio.create_task(rounds.join(f"{count}", await filled(range(count)))) for count in (9, 1, 5)]
        await asyncio.sleep(0)
        work.may_end.set()
        await asyncio.gather(*joined)

    asyncio.run(run())
    assert [sender for sender, _ in work.rounds[1]] == ["1", "5", "9"]


def test_no_stream_waits_for_threads_that_are_no_more() -> None:
    async def run() -> None:
        executor = ThreadPoolExecutor(1)
        rounds: Rounds[str, list[int]] = Rounds(executor, Work(), 1)
        assert await rounds.join("before", await filled([1])) == [1]
        executor.shutdown()
        for _ in range(3):
            with pytest.raises(RuntimeError):
                await rounds.join("after", await filled([1]))

    asyncio.run(run())


def test_large_messages_make_short_rounds(executor: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch) -> None:
    work = Work()
    monkeypatch.setattr(module, "BYTES_MAX", 1_000)

    async def run() -> None:
        rounds: Rounds[str, list[int]] = Rounds(executor, work, 1)
        inboxes = [await filled([1], 1_000) for _ in range(2)]
        await asyncio.gather(*(rounds.join("sender", inbox) for inbox in inboxes))

    asyncio.run(run())
    assert work.rounds == [[("sender", [1])], [("sender", [1])]]


def test_a_stream_that_ends_while_it_waits_is_left_out(executor: ThreadPoolExecutor) -> None:
    work = Work()
    work.may_end.clear()

    async def run() -> None:
        rounds: Rounds[str, list[int]] = Rounds(executor, work, 1)
        joined = [asyncio.create_task(rounds.join(name, await filled([1]))) for name in ("first", "gone", "last")]
        await begun(work, 1)
        joined[1].cancel()
        await asyncio.sleep(0)
        work.may_end.set()
        found = await asyncio.gather(*joined, return_exceptions=True)
        assert found[0] == found[2] == [1]
        assert isinstance(found[1], asyncio.CancelledError)

    asyncio.run(run())
    assert [sender for taken in work.rounds for sender, _ in taken] == ["first", "last"]


def test_what_goes_wrong_is_told_and_the_next_round_begins(executor: ThreadPoolExecutor) -> None:
    outcomes: Iterator[Exception | None] = iter([OSError("no"), None])

    def work(portions: Sequence[tuple[str, Messages]]) -> list[str]:
        if error := next(outcomes):
            raise error
        return [sender for sender, _ in portions]

    async def run() -> None:
        rounds: Rounds[str, str] = Rounds(executor, work, 1)
        with pytest.raises(OSError, match="no"):
            await rounds.join("a", await filled([1]))
        assert await rounds.join("b", await filled([2])) == "b"

    asyncio.run(run())
