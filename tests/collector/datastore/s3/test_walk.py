"""Whatever is written when, and listed however late within the bounds: every version is read, and none twice."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from collector.datastore.s3.found import Found
from collector.datastore.s3.walk import Pace, Walks, from_json

SECOND = 1_000_000
START_US = 1_767_225_600 * SECOND
PACE = Pace(overlap_us=10 * SECOND, multipart_us=100 * SECOND, sweep_us=300 * SECOND, keys_max=3)

#: When something is written, under which key, as what, and how late it is listed.
writes = st.lists(
    st.tuples(
        st.integers(0, 600),
        st.sampled_from([f"2026/{day:02}/{name}" for day in range(4) for name in "ab"]),
        st.sampled_from(["etag1", "etag2", "etag3-2"]),
        st.floats(0, 1),
    ),
    max_size=24,
)


def stopped(walks: Walks, pace: Pace) -> Walks:
    """As after a restart."""
    return from_json(json.loads(json.dumps(walks.as_json())), pace)


@given(writes=writes, walked=st.lists(st.integers(1, 120), min_size=1, max_size=8), cut=st.data())
def test_every_version_that_is_there_is_read_once(
    writes: list[tuple[int, str, str, float]], walked: list[int], cut: st.DataObject
) -> None:
    def late_us(etag: str, part: float) -> int:
        return round(part * (PACE.multipart_us if "-" in etag else PACE.overlap_us))

    told = [
        (START_US + at * SECOND + late_us(etag, part), Found(key, etag, START_US + at * SECOND, 1))
        for at, key, etag, part in writes
    ]
    walks, read, now_us = Walks(PACE), list[Found](), START_US
    times = [*walked, 2_000, 1_000]
    for pause in times:
        now_us += pause * SECOND
        there: dict[str, Found] = {}
        for shown_us, found in sorted(told, key=lambda each: each[0]):
            if shown_us <= now_us:
                there[found.key] = found
        after = walks.plan(now_us)
        walks.begin(after, now_us, 0)
        for key in sorted(there):
            if key > after:
                if cut.draw(st.booleans()):
                    walks = stopped(walks, PACE)
                if walks.take(there[key]):
                    read.append(there[key])
        walks.end()
        walks = stopped(walks, PACE)
    # The same content under the same key at another time may be read again: it says the same.
    versions = [(found.key, found.etag, found.modified_us) for found in read]
    assert len(versions) == len(set(versions))
    last = {found.key: found for _, found in sorted(told, key=lambda each: each[0])}
    assert {(found.key, found.etag) for found in last.values()} <= {(found.key, found.etag) for found in read}


def test_marks_do_not_grow_for_ever() -> None:
    walks = Walks(PACE)
    for number in range(2_000):
        now_us = START_US + number * 20 * SECOND
        after = walks.plan(now_us)
        walks.begin(after, now_us, 0)
        for recent in range(max(0, number - 50), number + 1):
            key = f"{recent:06}"
            if key > after:
                walks.take(Found(key, "etag", START_US + recent * 20 * SECOND, 1))
        walks.end()
    assert len(walks.marks) <= 1 + (PACE.sweep_us + PACE.overlap_us) / (20 * SECOND)
    assert len(json.dumps(walks.as_json())) < 2_000


def test_of_many_keys_only_the_tail_is_walked_over_until_the_next_sweep() -> None:
    walks = Walks(PACE)
    walks.begin(walks.plan(START_US), START_US, 0)
    for number in range(100):
        walks.take(Found(f"{number:03}", "etag", START_US - (100 - number) * 4 * SECOND, 1))
    walks.end()
    assert walks.plan(START_US + SECOND) == "097"
    walks.begin("097", START_US + SECOND, 0)
    assert not walks.take(Found("098", "etag", START_US - 8 * SECOND, 1))
    assert walks.take(Found("100", "etag", START_US, 1))
    walks.end()
    assert walks.plan(START_US + PACE.sweep_us) == ""


def test_what_was_there_before_is_left_if_so_wished() -> None:
    walks = Walks(PACE)
    walks.begin("", START_US, START_US - 5 * SECOND)
    assert not walks.take(Found("a", "etag", START_US - 6 * SECOND, 1))
    assert walks.take(Found("b", "etag", START_US - 5 * SECOND, 1))
    assert not walks.take(Found("c", "etag", START_US, 1), is_wanted=False)
    walks.end()
    walks.begin("", START_US + SECOND, START_US + SECOND)
    assert not walks.take(Found("a", "etag", START_US - 6 * SECOND, 1))
