r"""A head: the metric name and the labels of a sample, as they are written on a page.

::

    http_requests_total{path="/a\"b",code="200"}     {"http.requests", "code"="200"}     up

The second form, with a quoted name inside the braces, is how UTF-8 names are written (Prometheus text format 1.0.0 and
OpenMetrics 1.0 with ``escaping=allow-utf-8``). A head is parsed once in the life of a series, by two expressions, and strictly:
what is not a head as the formats define it is refused and not repaired.
"""

from __future__ import annotations

import re

#: A metric's name; a label's is the same without colons.
NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
_QUOTED = r'"(?:[^"\\\n]|\\.)*+"'

_HEAD = re.compile(rf"[ \t]*(?P<name>{NAME})?[ \t]*(?:\{{(?P<labels>.*)\}})?[ \t]*", re.DOTALL)
_LABEL = re.compile(
    rf"[ \t]*(?:(?P<name>[a-zA-Z_][a-zA-Z0-9_]*|{_QUOTED})[ \t]*=[ \t]*)?(?P<value>{_QUOTED})[ \t]*(?:,|$)", re.DOTALL
)
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_ESCAPED = {"n": "\n", "\\": "\\", '"': '"'}


class HeadError(ValueError):
    """A head that is no metric name and labels."""


def parse_head(head: str) -> tuple[str, dict[str, str]]:
    """Metric name and labels of a head, which may have blanks behind it.

    Raises HeadError. An empty label is the same as none and is left out.
    """
    found = _HEAD.fullmatch(head)
    if found is None:
        raise _error(head, "neither a name nor braces")
    name, text = found.groups()
    labels: dict[str, str] = {}
    at, end = 0, len(text or "")
    while at < end:
        label = _LABEL.match(text, at)
        if label is None:
            if not text[at:].strip(" \t"):
                break
            raise _error(head, f"no label at {text[at : at + 40]!r}")
        key, value = label.groups()
        value = unquoted(value)
        if key is None:
            # A quoted text alone is the metric's name, and stands first.
            if name is not None or labels or not value:
                raise _error(head, f"a label without a value at {text[at : at + 40]!r}")
            name = value
        else:
            if key[0] == '"':
                key = unquoted(key)
            if key in labels or key in ("", "__name__"):
                raise _error(
                    head, f"the label {key!r} is given twice" if key in labels else f"a label is called {key!r}"
                )
            labels[key] = value
        at = label.end()
    if name is None:
        raise _error(head, "no metric name")
    return name, {key: value for key, value in labels.items() if value}


def unquoted(text: str) -> str:
    r"""What stands between quotes, with ``\n``, ``\\`` and ``\"`` undone; another escape stands for itself."""
    inner = text[1:-1]
    if "\\" not in inner:
        return inner
    return _ESCAPE.sub(lambda found: _ESCAPED.get(found[1], found[0]), inner)


def _error(head: str, why: str) -> HeadError:
    return HeadError(f"{head[:200]!r} is no metric name and labels ({why})")
