"""Which objects are next: walks over the keys of a bucket, in their order, one after the other.

S3 lists by key and not by time, so that what is new can stand anywhere. A walk passes all keys. It reads an object if S3 says that it
was modified after the walk before it began, or shortly before: it may have been listed late. Those are *marked*, so that nothing is read
twice; a mark is kept until no walk would read its object any more. What was modified earlier needs no mark, however much there is.

Where there are many keys a walk takes many requests. Then most walks are over a *tail* only: they begin with the first key that was
modified lately, which is all there is to see where keys begin with a date. What comes anywhere else waits for the next *sweep*.

The state is a value of a few kilobytes, and moves only as objects are taken: whoever comes back to it goes on behind the last one.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from collector.datastore.s3.found import Found
from meterbook.wire.instants import SECOND_US


@dataclass(frozen=True)
class Pace:
    """How late objects may be listed, in microseconds, and when a walk is a sweep."""

    overlap_us: int
    multipart_us: int
    sweep_us: int
    keys_max: int

    def late_us(self, found: Found) -> int:
        """By how much an object may be listed after the time of its modification."""
        return max(self.overlap_us, self.multipart_us) if found.in_parts else self.overlap_us


@dataclass
class Walks:
    """The walks over one prefix. ``since_us`` is the time before which objects are not read; None until the first walk began."""

    pace: Pace
    since_us: int | None = None
    #: When the last sweep that was finished began, how many keys it passed, and behind which the latest begin.
    swept_us: int = 0
    swept_keys: int = 0
    tail_after: str = ""
    #: The walk under way: when it began, whether it is a sweep, and the last key that it passed.
    began_us: int | None = None
    is_sweep: bool = True
    after: str = ""
    marks: dict[int, int] = field(default_factory=dict)
    _keys: int = 0
    _tail: str | None = None

    @property
    def is_under_way(self) -> bool:
        """Whether a walk has not passed all keys yet."""
        return self.began_us is not None

    def plan(self, now_us: int) -> str:
        """The key behind which the next walk begins, if it begins now."""
        many = self.swept_keys > self.pace.keys_max
        return self.tail_after if many and now_us - self.swept_us < self.pace.sweep_us else ""

    def begin(self, after: str, told_us: int, since_us: int) -> None:
        """Begin a walk behind a key, at a time that S3's clock has reached; ``since_us`` counts at the first."""
        if self.since_us is None:
            self.since_us = since_us
        self.began_us, self.after, self.is_sweep = told_us, after, after == ""
        self._keys, self._tail = 0, None

    def take(self, found: Found, is_wanted: bool = True) -> bool:
        """Pass the next object; gives whether it is to be read."""
        assert self.began_us is not None and self.since_us is not None
        is_late = found.modified_us >= self.began_us - self.pace.overlap_us
        if is_late and self._tail is None:
            self._tail = self.after
        self.after = found.key
        self._keys += 1
        keep_us = found.modified_us + self.pace.late_us(found)
        is_old = found.modified_us < self.since_us or keep_us < self.swept_us
        if not is_wanted or is_old or found.mark in self.marks:
            return False
        if not self.is_sweep or keep_us >= self.began_us:
            self.marks[found.mark] = keep_us
        return True

    def end(self) -> None:
        """All keys were passed."""
        assert self.began_us is not None
        self.tail_after = self.after if self._tail is None else self._tail
        if self.is_sweep:
            self.swept_us, self.swept_keys = self.began_us, self._keys
            self.marks = {mark: keep_us for mark, keep_us in self.marks.items() if keep_us >= self.swept_us}
        self.began_us = None

    def as_json(self) -> dict[str, Any]:
        """For the checkpoint."""
        pairs = np.array(sorted(self.marks.items()), np.int64)
        return {
            "since": self.since_us,
            "swept": self.swept_us,
            "keys": self.swept_keys,
            "tail": self.tail_after,
            "marks": base64.b64encode(pairs.tobytes()).decode(),
            "walk": None
            if self.began_us is None
            else {
                "began": self.began_us,
                "sweep": self.is_sweep,
                "after": self.after,
                "keys": self._keys,
                "tail": self._tail,
            },
        }


def from_json(document: Mapping[str, Any], pace: Pace) -> Walks:
    """From the checkpoint; an empty one is where nothing has been passed."""
    if not document:
        return Walks(pace)
    pairs = np.frombuffer(base64.b64decode(document["marks"]), np.int64).reshape(-1, 2)
    walks = Walks(pace, document["since"], document["swept"], document["keys"], document["tail"])
    walks.marks = dict(zip(pairs[:, 0].tolist(), pairs[:, 1].tolist(), strict=True))
    walk = document["walk"]
    if walk is not None:
        walks.began_us, walks.is_sweep, walks.after = walk["began"], walk["sweep"], walk["after"]
        walks._keys, walks._tail = walk["keys"], walk["tail"]
    return walks


def pace_of(overlap_s: float, multipart_s: float, sweep_interval_s: float, sweep_keys_max: int) -> Pace:
    """From seconds."""
    overlap_us, multipart_us, sweep_us = (
        round(each * SECOND_US) for each in (overlap_s, multipart_s, sweep_interval_s)
    )
    return Pace(overlap_us, multipart_us, sweep_us, sweep_keys_max)
