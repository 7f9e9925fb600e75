"""The fence: which drafts of a group may be added to their chains.

A pure function over the heads of the chains, used by every kind of log inside its commit, where nothing can change
between the look and the write. A draft that is the head already, hash and all, was committed before: its sender is
told the position of then, as if nothing had happened. Anything else that does not follow is overtaken.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ledger.journal.errors import Overtaken
from ledger.journal.record import NO_HEAD, Draft, Head


@dataclass(frozen=True)
class Admitted:
    """The drafts to write in order, the heads that they move, and for each draft that was offered its position or fault."""

    drafts: list[Draft]
    heads: dict[str, Head]
    outcomes: list[int | Overtaken]


def admit(offered: Sequence[Draft], heads: Mapping[str, Head], position: int) -> Admitted:
    """What of ``offered`` may be written from ``position`` on, where the chains stand at ``heads``."""
    kept: list[Draft] = []
    moved: dict[str, Head] = {}
    outcomes: list[int | Overtaken] = []
    for draft in offered:
        head = moved.get(draft.chain) or heads.get(draft.chain, NO_HEAD)
        if draft.sequence == head.sequence + 1 and draft.previous == head.hash:
            moved[draft.chain] = Head(draft.sequence, draft.hash, position + len(kept))
            outcomes.append(position + len(kept))
            kept.append(draft)
        elif head.position and draft.sequence == head.sequence and draft.hash == head.hash:
            outcomes.append(head.position)
        else:
            outcomes.append(_overtaken(draft, head))
    return Admitted(kept, moved, outcomes)


def _overtaken(draft: Draft, head: Head) -> Overtaken:
    if draft.sequence == head.sequence + 1:
        what = f"follows hash {draft.previous.hex()[:16]}, not {head.hash.hex()[:16]}"
    else:
        what = f"does not follow {head.sequence}, the last one held"
    return Overtaken(f"{draft.chain}: record {draft.sequence} {what}")
