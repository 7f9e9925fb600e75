"""Doubles: eight bytes each, little-endian, at any place."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from collector.exposition.protobuf.varints import Bytes, Places
from collector.exposition.values import Floats


def doubles(data: Bytes, at: Places) -> Floats:
    """The doubles that begin at places."""
    found: Floats = eights(data, np.float64)[at].astype(np.float64)
    return found


def eights(data: Bytes, kind: type[np.generic]) -> npt.NDArray[np.generic]:
    """At each place the eight bytes from there on, as one number; a view."""
    whole = np.dtype(kind).newbyteorder("<")
    return np.ndarray(max(len(data) - 7, 0), whole, data, strides=(1,))
