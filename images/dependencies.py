"""Which package needs which, by the metadata of what is installed here, as it holds on Linux, and the part of the lock file that they are.

For the locks of the images, and for what is said of licences.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

_LOCK = Path(__file__).parents[1] / "requirements.lock"
#: What is written is the same on whatever machine it is made.
_MARKERS = {
    "implementation_name": "cpython",
    "os_name": "posix",
    "platform_machine": "x86_64",
    "platform_python_implementation": "CPython",
    "platform_system": "Linux",
    "python_full_version": "3.11.2",
    "python_version": "3.11",
    "sys_platform": "linux",
}


def closure(asked: Iterable[str], left_out: Collection[str] = (), *, may_lack: bool = False) -> set[str]:
    """The names of what requirements bring, but for those ``left_out`` and what they alone need.

    Raises LookupError for what is not installed here; where it ``may_lack``, its own needs are taken for none.
    """
    waiting = [Requirement(each) for each in asked]
    found: set[tuple[str, str]] = set()
    while waiting:
        requirement = waiting.pop()
        name = canonicalize_name(requirement.name)
        for extra in ("", *requirement.extras):
            if name not in left_out and (name, extra) not in found:
                found.add((name, extra))
                try:
                    waiting += _needed(name, extra)
                except PackageNotFoundError as error:
                    if not may_lack:
                        raise LookupError(f"{name} is not installed: run 'make setup'") from error
    return {name for name, _ in found}


def locked(names: Collection[str]) -> str:
    """The part of ``requirements.lock`` that installs these."""
    blocks = re.split(r"^(?=[a-z0-9])", _LOCK.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return "".join(each for each in blocks if each.partition("==")[0] in names)


def _needed(name: str, extra: str) -> Iterator[Requirement]:
    for each in map(Requirement, distribution(name).requires or ()):
        if each.marker is None or each.marker.evaluate({**_MARKERS, "extra": extra}):
            yield each
