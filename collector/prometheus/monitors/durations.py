"""Durations and sizes as monitors write them: ``1m30s``, ``10MB``.

Durations are those of Prometheus (``model.ParseDuration``): whole numbers, each unit once, the larger first; the CRDs demand the same. Sizes
are those of the CRDs' ``ByteSize``, to the base of two as Prometheus reads them: ``1MB`` and ``1MiB`` are 1,048,576 bytes.
"""

from __future__ import annotations

import re

_UNITS_MS = {
    "y": 31_536_000_000,
    "w": 604_800_000,
    "d": 86_400_000,
    "h": 3_600_000,
    "m": 60_000,
    "s": 1_000,
    "ms": 1,
}
# More digits than anybody means would not fit into a float.
_DURATION = re.compile("".join(f"(?:([0-9]{{1,12}}){unit})?" for unit in _UNITS_MS))
_SIZE = re.compile(r"([0-9]{0,15}\.?[0-9]{1,15})([KMGTPE]?)i?B")
_POWERS = {letter: power for power, letter in enumerate(("", "K", "M", "G", "T", "P", "E"))}


def seconds(text: str) -> float:
    """Seconds of a duration. Raises ValueError for what is none."""
    found = _DURATION.fullmatch(text)
    if text == "0":
        return 0.0
    if found is None or not text:
        raise ValueError(f"{text[:80]!r} is no duration, such as 30s or 1m30s")
    return (
        sum(int(digits or 0) * unit_ms for digits, unit_ms in zip(found.groups(), _UNITS_MS.values(), strict=True))
        / 1e3
    )


def bytes_of(text: str) -> int:
    """Bytes of a size. Raises ValueError for what is none."""
    found = _SIZE.fullmatch(text)
    if text == "0":
        return 0
    if found is None:
        raise ValueError(f"{text[:80]!r} is no size, such as 10MB")
    return int(float(found[1]) * 1024 ** _POWERS[found[2]])
