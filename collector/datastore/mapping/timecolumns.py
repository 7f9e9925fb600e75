"""Columns of texts as instants, where ``times`` reads one at a time; only the forms that programs usually write are certain here.

Local times become instants minute by minute: a zone is asked once for each minute that occurs, and a minute in which the clocks change is left to
the slow way, which knows what to say of it.
"""

from __future__ import annotations

import re
from functools import cache
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from collector.datastore.mapping.config import TimeField
from collector.datastore.mapping.zones import UNIX, UNIX_FORMS, offsets_us, zone_of
from meterbook.wire.instants import SECOND_US, parse

Integers = npt.NDArray[np.int64]
_Rows = npt.NDArray[np.bool_]
_Certain = tuple[pa.Array, _Rows]

#: Years 1000 to 8999: no offset carries these out of the years that there are.
FIRST_US, LAST_US = parse("1000-01-01"), parse("9000-01-01") - 1
_MINUTE_US = 60 * SECOND_US
_DAY = r"-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])"
_CLOCK = r"[T ]([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]{1,6})?"
_IN_UTC = rf"^(000[1-9]|00[1-9][0-9]|0[1-9][0-9]{{2}}|[1-9][0-9]{{3}}){_DAY}{_CLOCK}Z$"
_YEAR = r"[1-8][0-9]{3}"
_WITH_OFFSET = rf"^{_YEAR}{_DAY}{_CLOCK}[+-]([01][0-9]|2[0-3]):[0-5][0-9]$"
_LOCAL = rf"^{_YEAR}{_DAY}{_CLOCK}$"
#: Counts before the year 5139, of nanoseconds before 2255, so that none is too large for an integer.
_COUNTS = {
    "unix_s": "0|[1-9][0-9]{0,10}",
    "unix_ms": "0|[1-9][0-9]{0,13}",
    "unix_us": "0|[1-9][0-9]{0,16}",
    "unix_ns": "0|[1-9][0-9]{0,17}|[1-8][0-9]{18}",
}

_MONTHS = pa.array(["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"])
#: Directives of strptime that are certain here: written with all their digits.
_DIRECTIVES = {
    "Y": r"(?P<Y>[1-8][0-9]{3})",
    "m": r"(?P<m>0[1-9]|1[0-2])",
    "b": r"(?P<b>Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)",
    "d": r"(?P<d>0[1-9]|[12][0-9]|3[01])",
    "H": r"(?P<H>[01][0-9]|2[0-3])",
    "M": r"(?P<M>[0-5][0-9])",
    "S": r"(?P<S>[0-5][0-9])",
    "f": r"(?P<f>[0-9]{1,6})",
    "z": r"(?P<z>[+-](?:[01][0-9]|2[0-3]):?[0-5][0-9]|Z)",
    "%": "%",
}


def instants_of(column: pa.Array, time: TimeField) -> _Certain:
    """Microseconds (int64) of texts or numbers as they were written, and of which that is certain."""
    if time.form in UNIX_FORMS:
        instants_us, sure = _counted(column, time.form)
    elif time.form == "rfc3339":
        instants_us, sure = _rfc3339(column, time)
    else:
        instants_us, sure = _patterned(column, time)
    return pa.array(instants_us), sure


def years_known(instants_us: Integers) -> _Rows:
    """Which instants are in years that are certain here."""
    known: _Rows = (instants_us >= FIRST_US) & (instants_us <= LAST_US)
    return known


def localised(local_us: Integers, zone: ZoneInfo) -> tuple[Integers, _Rows]:
    """Instants of local times, both in microseconds; certain of those in whose minute the offset stays."""
    minutes, which = np.unique(local_us // _MINUTE_US, return_inverse=True)
    offset_us = np.zeros(len(minutes), np.int64)
    steady = np.zeros(len(minutes), bool)
    for place, minute in enumerate(minutes.tolist()):
        start_us = minute * _MINUTE_US
        found = {*offsets_us(start_us, zone), *offsets_us(start_us + _MINUTE_US - 1, zone)}
        if len(found) == 1:
            offset_us[place], steady[place] = found.pop(), True
    return local_us - offset_us[which], steady[which]


def _matches(column: pa.Array, pattern: str) -> _Rows:
    found: _Rows = pc.fill_null(pc.match_substring_regex(column, pattern), False).to_numpy(zero_copy_only=False)
    return found


def _integers(column: pa.Array) -> Integers:
    return np.asarray(column.cast(pa.int64()).to_numpy(zero_copy_only=False), np.int64)


def _counted(column: pa.Array, form: str) -> tuple[Integers, _Rows]:
    sure = _matches(column, rf"^({_COUNTS[form]})(\.[0-9]{{1,9}})?$")
    found_us = np.zeros(len(column), np.int64)
    parts = pc.extract_regex(column.filter(pa.array(sure)), r"^(?P<whole>[0-9]+)(?:\.(?P<rest>[0-9]+))?$")
    whole, rest = _integers(parts.field("whole")), parts.field("rest")
    if form == "unix_ns":
        found_us[sure] = whole // 1_000
    else:
        unit_us = UNIX[form]
        found_us[sure] = whole * unit_us
        if unit_us > 1:
            # As many digits behind the point as make microseconds; what is behind those is cut off.
            shown = len(str(unit_us)) - 1
            padded = pc.utf8_slice_codeunits(pc.utf8_rpad(rest, shown, "0"), 0, shown)
            found_us[sure] += _integers(padded)
    return found_us, sure


def _rfc3339(column: pa.Array, time: TimeField) -> tuple[Integers, _Rows]:
    found_us = np.zeros(len(column), np.int64)
    sure = _matches(column, _IN_UTC)
    _read(column, sure, found_us)
    if sure.all():
        return found_us, sure
    shifted = ~sure & _matches(column, _WITH_OFFSET)
    if shifted.any():
        texts = column.filter(pa.array(shifted))
        ends = pc.utf8_slice_codeunits(texts, -6)
        if _read(column, shifted, found_us, cut=6):
            found_us[shifted] -= _offsets_us(ends)
        sure |= shifted
    if time.zone is not None:
        local = ~sure & _matches(column, _LOCAL)
        if local.any() and _read(column, local, found_us):
            found_us[local], steady = localised(found_us[local], zone_of(time.zone))
            local[local] = steady
            sure |= local
    return found_us, sure


def _read(column: pa.Array, rows: _Rows, found_us: Integers, cut: int = 0) -> bool:
    """Fill in what the rows say but for their last ``cut`` characters and a Z; none of them where a day among them does not exist."""
    texts = column.filter(pa.array(rows))
    if cut:
        texts = pc.utf8_slice_codeunits(texts, 0, -cut)
    texts = pc.utf8_rtrim(texts, "Z")
    try:
        found_us[rows] = texts.cast(pa.timestamp("us")).cast(pa.int64()).to_numpy(zero_copy_only=False)
    except pa.ArrowInvalid:
        # Who reads one by one will say which.
        rows[:] = False
        return False
    return True


def _offsets_us(texts: pa.Array) -> Integers:
    """Offsets such as ``+01:00``, ``-0330`` and ``Z``, in microseconds; there are few different ones."""
    coded = texts.dictionary_encode()
    known = np.array([_offset_us(text) for text in coded.dictionary.to_pylist()], np.int64)
    found: Integers = known[coded.indices.to_numpy(zero_copy_only=False)]
    return found


def _offset_us(text: str) -> int:
    if text == "Z":
        return 0
    minutes = int(text[1:3]) * 60 + int(text[-2:])
    return (-minutes if text[0] == "-" else minutes) * _MINUTE_US


@cache
def _expression(form: str) -> str | None:
    """The expression of RE2 that a pattern of strptime means here; None where it has a directive that is not certain."""
    pieces = re.split(r"%(.)", form, flags=re.DOTALL)
    letters = set(pieces[1::2])
    if not letters <= _DIRECTIVES.keys() or {"b", "m"} <= letters:
        return None
    said = "".join(_DIRECTIVES[each] if place % 2 else re.escape(each) for place, each in enumerate(pieces))
    return f"^{said}$"


def _patterned(column: pa.Array, time: TimeField) -> tuple[Integers, _Rows]:
    found_us = np.zeros(len(column), np.int64)
    expression = _expression(time.form)
    if expression is None:
        return found_us, np.zeros(len(column), bool)
    sure = _matches(column, expression)
    parts = pc.extract_regex(column.filter(pa.array(sure)), expression)
    names = {parts.type.field(place).name for place in range(parts.type.num_fields)}

    def part(name: str) -> Integers | int:
        return _integers(parts.field(name)) if name in names else 0

    if "b" in names:
        months = pc.index_in(parts.field("b"), _MONTHS).to_numpy(zero_copy_only=False).astype(np.int64)
    else:
        months = _integers(parts.field("m")) - 1
    first = (_integers(parts.field("Y")) - 1970).astype("datetime64[Y]").astype("datetime64[M]") + months
    days = first.astype("datetime64[D]") + (_integers(parts.field("d")) - 1)
    exists = days.astype("datetime64[M]") == first
    seconds = days.astype(np.int64) * 86_400 + part("H") * 3_600 + part("M") * 60 + part("S")
    local_us = seconds * SECOND_US
    if "f" in names:
        local_us += _integers(pc.utf8_rpad(parts.field("f"), 6, "0"))
    if time.zone is None:
        found_us[sure] = local_us - _offsets_us(parts.field("z"))
    else:
        found_us[sure], steady = localised(local_us, zone_of(time.zone))
        exists &= steady
    sure[sure] = exists
    return found_us, sure
