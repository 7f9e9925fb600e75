"""Leaves out what nobody here uses, in a process of one's own.

Arrow looks for pandas at its first conversion, and loads it wherever it is installed: half a second and sixty megabytes, for each of the
processes of an agent and a ledger. None of them has a dataframe. What does need pandas calls :func:`let_in` first.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

_LEFT_OUT = "pandas"


class _Absent(MetaPathFinder):
    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname == _LEFT_OUT:
            raise ModuleNotFoundError(f"{fullname} is left out here", name=fullname)
        return None


_ABSENT = _Absent()


def leave_out() -> None:
    """Have this process do without. To be called before anything of it is loaded; where it is loaded, nothing changes."""
    if _ABSENT not in sys.meta_path:
        sys.meta_path.insert(0, _ABSENT)


def let_in() -> None:
    """Let it be loaded after all."""
    if _ABSENT in sys.meta_path:
        sys.meta_path.remove(_ABSENT)
