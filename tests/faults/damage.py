"""Damage to what the shared log has in S3: bits that flip, ends that are missing, objects that are lost or mistaken."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from random import Random

from ledger.journal.shared.connection import GroupRow
from tests.fakes.s3 import FakeS3
from tests.faults.shared import BUCKET


@contextmanager
def damaged(s3: FakeS3, row: GroupRow, random: Random) -> Iterator[str]:
    """The object of a group is damaged for a while; gives what was done to it."""
    key = BUCKET.key(row.object)
    kept = s3.objects[key]
    what, body = _changed(s3, key, row, random)
    if body is None:
        del s3.objects[key]
    else:
        s3.objects[key] = body
    try:
        yield f"damage: {row.object}, {what}"
    finally:
        s3.objects[key] = kept


def _changed(s3: FakeS3, key: str, row: GroupRow, random: Random) -> tuple[str, bytes | None]:
    body = s3.objects[key]
    others = [other for other in s3.objects.values() if other != body]
    how = random.randrange(4)
    if how == 0:
        return "lost", None
    if how == 1 and others:
        return "another in its place", random.choice(others)
    # Of an object that only in part is in the log, the other part may say what it likes.
    if how == 2 or row.kept is not None:
        return "cut off", body[: random.randrange(len(body))]
    at = random.randrange(len(body))
    return f"a bit of byte {at}", body[:at] + bytes([body[at] ^ 1 << random.randrange(8)]) + body[at + 1 :]
