"""Which targets of a server were read a short while ago: what they begin to show then has begun.

Nobody tells when a counter that a server keeps began. It is counted from zero where its target (``job`` and ``instance``) was read
before without it. Of a target that was not, or that was read by another configuration, it may have counted for years: the marker of an
end is put a microsecond before its first sample, and only what it counts from there on is used ("intake.proto", Batch).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from meterbook.wire.instants import HOUR_US
from meterbook.wire.series import canonical_json

#: A target without samples for so long is not known any more.
KEPT_US = HOUR_US


class Acquaintance:
    """The targets of a server; it stands in the checkpoint."""

    def __init__(self, read_as: str, before: Mapping[str, Any]) -> None:
        """``read_as`` is what decides which series are read; ``before`` is what :meth:`document` gave then."""
        self._read_as = _digest(read_as)
        self._before: dict[str, int] = dict(before["targets"]) if before.get("read_as") == self._read_as else {}
        self._seen: dict[str, int] = {}

    def knew(self, labels: Mapping[str, str], last_us: int) -> bool:
        """Whether the target of a series was read before; its last sample is ``last_us`` now."""
        target = _digest(canonical_json({name: labels.get(name, "") for name in ("job", "instance")}))
        self._seen[target] = max(last_us, self._seen.get(target, last_us))
        return target in self._before

    def document(self, until_us: int) -> dict[str, Any]:
        """JSON values, as of a time until which was read."""
        kept = {target: at for target, at in {**self._before, **self._seen}.items() if at > until_us - KEPT_US}
        return {"read_as": self._read_as, "targets": kept}


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]
