"""What speaks, for people to read: each side tells the other in its greeting, and nothing is decided by it."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version


def software() -> str:
    """Name and version of what is installed here."""
    try:
        return f"meterbook/{version('meterbook')}"
    except PackageNotFoundError:
        return "meterbook"
