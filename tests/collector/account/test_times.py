"""Times of answers are read as botocore reads them, and the plain ones much faster."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from botocore.utils import parse_timestamp
from hypothesis import given
from hypothesis import strategies as st

from collector.account.session import parsed_time

PLAIN = st.integers(-62_135_510_400_000, 253_402_128_000_000).map(
    lambda ms: datetime.fromtimestamp(ms // 1_000, UTC) + timedelta(milliseconds=ms % 1_000)
)


@given(PLAIN, st.booleans())
def test_plain_times(time: datetime, with_fraction: bool) -> None:
    told = f"{time:%Y}".zfill(4) + f"{time:-%m-%dT%H:%M:%S}"
    told += f".{time.microsecond // 1_000:03}Z" if with_fraction else "Z"
    assert parsed_time(told) == parse_timestamp(told)


@pytest.mark.parametrize(
    "told",
    ["Thu, 01 Jan 2026 00:00:00 GMT", "20260101T000000Z", "2026-01-01T01:00:00+01:00", 1767225600, "1767225600.5"],
)
def test_others_are_left_to_botocore(told: object) -> None:
    assert parsed_time(told) == parse_timestamp(told)


def test_what_is_no_time_is_refused() -> None:
    with pytest.raises(ValueError, match=r"day|Invalid"):
        parsed_time("2026-02-30T00:00:00Z")
