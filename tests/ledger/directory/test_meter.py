"""When the windows of a meter close, and what a period of it must be like to be closed: how that is written."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from ledger.directory.meter import Meter
from ledger.schema.spec import canonical


def meter(**more: Any) -> Meter:
    return Meter.model_validate({"source": {"event": "sale"}, "aggregation": "count", "unit": "sales"} | more)


def test_what_is_not_said_is_none() -> None:
    found = meter()
    assert (found.lateness, found.lateness_s, found.gate, found.estimated_max) == (None, None, None, None)


def test_the_same_is_written_in_one_way() -> None:
    one = meter(lateness="90m", gate="0.950", estimated_max=0)
    other = meter(lateness="5400s", gate="0.95", estimated_max="0.0")
    assert canonical(one) == canonical(other)
    assert (one.lateness, one.lateness_s) == ("90m", 5_400)
    assert Meter.model_validate_json(canonical(one)) == one


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"lateness": "soon"}, "'soon' is not a number with one of the units s, m, h, d, such as 1h"),
        ({"lateness": 60}, "60 is not text: write a number with one of the units"),
        ({"lateness": "367d"}, "367d is more than 366d: give the time that data are late at the most"),
        ({"gate": "1.01"}, "less than or equal to 1"),
        ({"gate": 0.9}, "0.9 is not a decimal number"),
        ({"estimated_max": "-0.1"}, "is negative"),
    ],
)
def test_a_mistake_is_told(more: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError) as error:
        meter(**more)
    assert message in str(error.value)
