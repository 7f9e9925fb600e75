"""What a collector remembers outlives a change of version, in either direction."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from collector.readings import remembered


@dataclass(frozen=True)
class Place:
    """Where reading stopped."""

    offset: int
    digest: str = ""


def test_a_checkpoint_of_a_newer_version_is_read_without_what_only_that_knows() -> None:
    assert remembered(Place, {"offset": 7, "digest": "ab", "rungs": "1234"}) == Place(7, "ab")


def test_a_checkpoint_of_an_older_version_has_what_came_later_as_it_is_by_itself() -> None:
    assert remembered(Place, {"offset": 7}) == Place(7)


def test_what_cannot_be_done_without_is_demanded() -> None:
    with pytest.raises(TypeError, match="offset"):
        remembered(Place, {"digest": "ab"})
