r"""Heads made of labels: the text that a sample would have in front of its value on a page of the text format.

That text is what a series goes by, whichever format it comes in, so whoever reads heads need not know of two. Names that are no
identifiers are quoted (see :mod:`collector.exposition.heads`), and ``\``, ``"`` and line feeds in values are escaped.

The texts are cut out of the page and joined by Arrow, a few thousand metrics at a time. Each sample of a histogram repeats the
labels of the histogram, so how much that makes is looked at before it is made.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from decimal import Decimal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from collector.exposition.heads import NAME
from collector.exposition.protobuf.delimited import Described
from collector.exposition.protobuf.fields import Found, fields
from collector.exposition.protobuf.malformed import Malformed, TooLarge
from collector.exposition.protobuf.messages import LABEL, MetricType
from collector.exposition.protobuf.samples import SUFFIXES, Samples
from collector.exposition.protobuf.varints import Places
from collector.exposition.values import Floats

_METRIC_NAME, _LABEL_NAME = re.compile(NAME), re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_ESCAPES = {"\\": r"\\", '"': r"\"", "\n": r"\n"}
_NOTHING = pa.array([""], pa.utf8())
#: Between these Go writes the shortest form of a double without an exponent (strconv, format 'g').
_PLAIN_MIN, _PLAIN_END = 1e-4, 1e6


def heads(
    body: bytes | bytearray,
    found: Samples,
    labels: Found,
    families: Sequence[Described],
    places: Places,
    bytes_max: int,
) -> pa.Array:
    """The head of each of some samples; ``places`` has for each of their metrics that of its family.

    Raises Malformed where a label is no text, TooLarge where the heads may have more than ``bytes_max`` bytes.
    """
    count = len(places)
    sizes = np.zeros(count, np.int64)
    np.add.at(sizes, labels.owners, labels.stops - labels.starts)
    sizes += np.array([len(family.name) for family in families], np.int64)[places]
    if int(sizes[found.metrics].sum()) > bytes_max:
        raise TooLarge(f"repeats the labels of histograms or summaries to more than {bytes_max} bytes")
    inner = _joined(body, labels, count)
    labelled = (labels.counts(count) > 0)[found.metrics]
    bounded = found.bounded
    is_quantile = np.array([family.type == MetricType.SUMMARY for family in families], np.bool_)[places][found.metrics]
    added = _added(found.bounds[bounded], is_quantile[bounded], labelled[bounded])
    turns = np.where(bounded, np.cumsum(bounded), 0)
    bare = ~(labelled | bounded)
    front = _fronts(families, places[found.metrics], found.suffixes, bare)
    end = pa.array(["}", ""]).take(pa.array(bare.astype(np.int8)))
    middle = inner.take(pa.array(found.metrics))
    return pc.binary_join_element_wise(
        front, middle, pa.concat_arrays([_NOTHING, added]).take(pa.array(turns)), end, ""
    )


def _fronts(
    families: Sequence[Described], places: Places, suffixes: npt.NDArray[np.int8], bare: npt.NDArray[np.bool_]
) -> pa.Array:
    """What stands before the labels of each sample, or instead of any."""
    coded = pa.array((places * len(SUFFIXES) + suffixes) * 2 + bare).dictionary_encode()
    texts = []
    for code in coded.dictionary.to_pylist():
        place, suffix = divmod(code // 2, len(SUFFIXES))
        texts.append(_front(families[place].name + SUFFIXES[suffix], bare=bool(code % 2)))
    return pa.array(texts, pa.utf8()).take(coded.indices)


def _joined(body: bytes | bytearray, labels: Found, count: int) -> pa.Array:
    """The labels of each metric as one text."""
    data = np.frombuffer(body, np.uint8)
    pairs = fields(data, labels.starts, labels.stops, LABEL)
    names, values = (_texts(body, labels, pairs[name], name) for name in ("name", "value"))
    coded = names.dictionary_encode()
    quoted = [_quoted(name, _LABEL_NAME) + '="' for name in coded.dictionary.to_pylist()]
    written = pc.binary_join_element_wise(pa.array(quoted, pa.utf8()).take(coded.indices), _escaped(values), '"', "")
    offsets = np.zeros(count + 1, np.int32)
    np.cumsum(labels.counts(count), out=offsets[1:])
    return pc.binary_join(pa.ListArray.from_arrays(pa.array(offsets), written), ",")


def _texts(body: bytes | bytearray, labels: Found, found: Found, name: str) -> pa.Array:
    """The texts that are the field of each label, empty where it is not given. Raises Malformed."""
    starts, stops = found.last(len(labels))
    given = starts >= 0
    starts, stops = np.where(given, starts, labels.starts), np.where(given, stops, labels.starts)
    edges = np.empty(2 * len(labels) + 1, np.int32)
    edges[0:-1:2], edges[1::2], edges[-1] = starts, stops, len(body)
    pieces = pa.Array.from_buffers(pa.utf8(), 2 * len(labels), [None, pa.py_buffer(edges), pa.py_buffer(body)])
    texts = pieces.take(pa.array(np.arange(0, 2 * len(labels), 2)))
    try:
        texts.validate(full=True)
    except pa.ArrowInvalid:
        raise _no_text(body, starts, stops, name) from None
    return texts


def _no_text(body: bytes | bytearray, starts: Places, stops: Places, name: str) -> Malformed:
    for start, stop in zip(starts.tolist(), stops.tolist(), strict=True):
        try:
            bytes(body[start:stop]).decode("utf-8")
        except UnicodeDecodeError:
            return Malformed(start, f"begins a label's {name} that is not UTF-8: {bytes(body[start:stop])[:100]!r}")
    raise AssertionError("what is wrong with all texts is wrong with one of them")


def _escaped(texts: pa.Array) -> pa.Array:
    data = texts.buffers()[2]
    written = np.empty(0, np.uint8) if data is None else np.frombuffer(data, np.uint8)
    for plain, escaped in _ESCAPES.items():
        if np.any(written == ord(plain)):
            texts = pc.replace_substring(texts, plain, escaped)
    return texts


def _quoted(name: str, plain: re.Pattern[str]) -> str:
    if plain.fullmatch(name):
        return name
    return '"' + "".join(_ESCAPES.get(letter, letter) for letter in name) + '"'


def _front(name: str, *, bare: bool) -> str:
    if _METRIC_NAME.fullmatch(name):
        return name if bare else f"{name}{{"
    return f"{{{_quoted(name, _METRIC_NAME)}" + ("}" if bare else ",")


def _added(bounds: Floats, is_quantile: npt.NDArray[np.bool_], labelled: npt.NDArray[np.bool_]) -> pa.Array:
    """The label that each of some samples has besides those of its metric."""
    bits = pa.array(bounds.view(np.int64)).dictionary_encode()
    coded = pa.array(bits.indices.to_numpy() * np.int64(4) + is_quantile * 2 + labelled).dictionary_encode()
    written = [openmetrics_float(bound) for bound in bits.dictionary.to_numpy().view(np.float64).tolist()]
    texts = []
    for code in coded.dictionary.to_pylist():
        name = "quantile" if code & 2 else "le"
        texts.append(f'{"," if code & 1 else ""}{name}="{written[code // 4]}"')
    return pa.array(texts, pa.utf8()).take(coded.indices)


def openmetrics_float(value: float) -> str:
    """A bound as Prometheus writes it (model/labels/float.go, ``FormatOpenMetricsFloat``): 1.0, 0.25, 1e+06, +Inf."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    if value == 0:
        return "0.0"
    if _PLAIN_MIN <= abs(value) < _PLAIN_END:
        return repr(float(value))
    sign, digits, exponent = Decimal(repr(value)).normalize().as_tuple()
    shown = "".join(map(str, digits))
    power = len(shown) - 1 + int(exponent)
    mantissa = f"{shown[0]}.{shown[1:]}".rstrip(".")
    return f"{'-' * sign}{mantissa}e{'-' if power < 0 else '+'}{abs(power):02d}"
