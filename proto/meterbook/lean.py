"""Leaves out what nobody here uses, in a process of one's own.

Arrow looks for pandas at its first conversion, and loads it wherever it is installed: half a second and sixty megabytes, for each of the
processes of an agent and a ledger. None of them has a dataframe. What does need pandas calls :func:`let_in` first.

Other libraries look for what they can do without only while they are loaded: :func:`without` is for those.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

_LEFT_OUT = "pandas"


class _Absent(MetaPathFinder):
    def __init__(self, name: str) -> None:
        self._name = name

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname == self._name:
            raise ModuleNotFoundError(f"{fullname} is left out here", name=fullname)
        return None


_ABSENT = _Absent(_LEFT_OUT)


def leave_out() -> None:
    """Have this process do without. To be called before anything of it is loaded; where it is loaded, nothing changes."""
    if _ABSENT not in sys.meta_path:
        sys.meta_path.insert(0, _ABSENT)


def let_in() -> None:
    """Let it be loaded after all."""
    if _ABSENT in sys.meta_path:
        sys.meta_path.remove(_ABSENT)


@contextmanager
def without(name: str) -> Iterator[None]:
    """Do without a library that is not loaded yet, while another is loaded that would only look whether it is there."""
    absent = _Absent(name)
    sys.meta_path.insert(0, absent)
    try:
        yield
    finally:
        sys.meta_path.remove(absent)
