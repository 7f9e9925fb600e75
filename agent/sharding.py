"""What an agent reads that is one of several: its part of each source of a file that all of them have.

The nodes of a cluster are divided by number. The targets of Prometheus are found by all, and each is left to one of them (see ``leases``). Nothing
else can be divided: the first reads it alone.
"""

from __future__ import annotations

import re
from typing import Any

from agent.errors import ConfigError

#: The kinds that take a ``shard``, and those of which agents agree by themselves.
_DIVIDED, _AGREED = ("kubernetes",), ("prometheus", "prometheus_monitors")
_SHARD = re.compile(r"([1-9][0-9]{0,3})/([1-9][0-9]{0,3})")


def check(shard: str | None) -> None:
    """Raises ConfigError for what is no shard."""
    found = None if shard is None else _SHARD.fullmatch(shard)
    if shard is not None and (found is None or int(found[1]) > int(found[2])):
        raise ConfigError(f"--shard: {shard!r} is no shard: write its number and how many there are, such as 2/5")


def part_of(source: object, place: str, shard: str | None) -> Any:
    """What ``source``, as it stands in the file, is for an agent that is a ``shard``; None where another agent reads it. Raises ConfigError."""
    if shard is None:
        return source
    if not isinstance(source, dict):
        return source
    if source.get("kind") in _DIVIDED:
        if source.get("shard", shard) != shard:
            raise ConfigError(
                f"{place}.shard: {source['shard']!r} stands in the file, and --shard says {shard!r}: leave one of them out"
            )
        return {**source, "shard": shard}
    return source if shard.startswith("1/") or source.get("kind") in _AGREED else None
