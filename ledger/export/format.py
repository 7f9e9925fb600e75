"""What a format is: a name, what files of it are called, and a function from a copy to bytes.

The same copy gives the same bytes, whenever and wherever it is written: no format looks at a clock, at the machine's fonts or at its language.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ledger.export.copy import Copy


@dataclass(frozen=True)
class Format:
    """One format.

    ``media_type`` is what HTTP and mail call it, ``suffix`` ends a file's name. ``write`` raises NotRendered.
    """

    name: str
    media_type: str
    suffix: str
    write: Callable[[Copy], bytes]
