"""Steps cover what has settled: without gaps, on the grid of their period, as much as one page holds, and nothing that is gone."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from collector.aws.cloudwatch.progress import Progress, Told, from_json
from collector.aws.cloudwatch.steps import POINTS_MAX, QUERIES_MAX, calls, oldest_us, plan
from collector.aws.cloudwatch.streams import Stream
from tests.collector.aws.cloudwatch.reading import BEGIN, DAY, HOUR, MINUTE, SECOND

PERIODS_S = [60, 300, 480, 3_600, 86_400]


def stream(number: int) -> Stream:
    return Stream("Own", f"M{number}", (("a/b", "c&d=ü"),), "Sum")


@given(
    periods_s=st.lists(st.sampled_from(PERIODS_S), min_size=1, max_size=4),
    behind=st.lists(st.integers(0, 200 * 24 * 60), min_size=4, max_size=4),
    settle=st.integers(0, 300),
    points_max=st.sampled_from([1, 50, 100_000]),
)
def test_steps_lead_to_what_has_settled(periods_s: list[int], behind: list[int], settle: int, points_max: int) -> None:
    now_us, settled_us = BEGIN, BEGIN - settle * MINUTE
    streams = {
        stream(number): (period_s * SECOND, Progress(BEGIN - minutes * MINUTE))
        for number, (period_s, minutes) in enumerate(zip(periods_s, behind, strict=False))
    }
    for _ in range(20):
        found = plan(streams, now_us, settled_us, points_max=points_max, check_us=HOUR)
        lost = {each: until_us for each, _, until_us in found.lost}
        for step in found.steps:
            period_us, progress = streams[step.stream]
            assert step.since_us == lost.get(step.stream, progress.until_us)
            assert step.check_us <= step.since_us < step.until_us <= settled_us
            assert step.check_us >= oldest_us(step.period_us, now_us)
            assert step.check_us <= step.keep_us <= step.until_us
            assert not step.since_us % step.period_us
            assert not step.until_us % step.period_us
            assert period_us % step.period_us == 0
            assert step.period_us == period_us or step.until_us <= -(-step.since_us // period_us) * period_us
            told = Told(step.keep_us, step.period_us, "")
            streams[step.stream] = period_us, Progress(step.until_us, told=told)
        behind_now = {
            each for each, (period_us, at) in streams.items() if at.until_us < settled_us // period_us * period_us
        }
        assert found.behind == behind_now
        for steps in calls(found.steps):
            assert len({(step.check_us, step.until_us) for step in steps}) == 1
            points = sum((step.until_us - step.check_us) // step.period_us for step in steps)
            assert points <= POINTS_MAX


def test_a_call_is_of_500_streams_and_one_page() -> None:
    told = Told(BEGIN - 10 * HOUR, MINUTE, "")
    streams = {stream(number): (MINUTE, Progress(BEGIN - 5 * HOUR, told=told)) for number in range(1_200)}
    for _ in range(3):
        found = plan(streams, BEGIN, BEGIN, points_max=10**9, check_us=DAY)
        groups = list(calls(found.steps))
        assert [len(group) for group in groups] == [QUERIES_MAX, QUERIES_MAX, 200]
        streams = {
            step.stream: (MINUTE, Progress(step.until_us, told=Told(step.keep_us, MINUTE, ""))) for step in found.steps
        }
        assert all((step.until_us - step.since_us) // MINUTE <= 100 for step in found.steps)
    assert all((step.until_us - step.check_us) // MINUTE * QUERIES_MAX <= POINTS_MAX for step in found.steps)


@given(st.text(min_size=1), st.text(min_size=1), st.text(min_size=1), st.text(min_size=1))
def test_what_a_stream_is_called_is_its_own(one: str, other: str, third: str, fourth: str) -> None:
    first = Stream(one, other, ((third, fourth),), "Sum")
    assert Stream.from_key(first.key) == first
    second = Stream(f"{one}/{other}", third, ((fourth, one),), "Sum")
    assert (first.path == second.path) == (first == second)


def test_progress_is_what_it_was() -> None:
    for progress in (Progress(1), Progress(2, True, 3), Progress(4, False, None, Told(1, 60, "ab"))):
        assert from_json(progress.as_json()) == progress
