"""Fields are found where their paths say, and what is no path is refused."""

from __future__ import annotations

from typing import Any

import pytest

from collector.datastore.mapping.paths import look, parsed

RECORD: dict[str, Any] = {
    "usage": {"tokens": 7, "list": [{"id": "x"}, [1, 2]], "odd.name": "o", "it's": "i"},
    "usage.tokens": 8,
    "lineItem/Amount": 9,
    "a b": {"c": 10},
    "none": None,
    "text": "t",
}


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("$.usage.tokens", 7),
        ("$['usage.tokens']", 8),
        ("usage.tokens", 8),
        ("$.usage['odd.name']", "o"),
        ('$.usage["it\'s"]', "i"),
        ("$.usage.list[0].id", "x"),
        ("usage.list[1][1]", 2),
        ("$.usage.list[2]", None),
        ("$.usage.list.id", None),
        ("$.usage[0]", None),
        ("lineItem/Amount", 9),
        ("a b.c", 10),
        ("none.deeper", None),
        ("text[0]", None),
        ("no", None),
        ("$.no.more[1]", None),
        ("..", None),
    ],
)
def test_a_path_finds_one_field(path: str, found: Any) -> None:
    assert look(RECORD, parsed(path)) == found


@pytest.mark.parametrize(
    "path", ["$", "$.", "$x", "$[0]", "$..usage", "$.a[*]", "$.a[-1]", "$.a[?(@.b)]", "$['a", "$.a."]
)
def test_what_names_more_than_one_field_is_no_path(path: str) -> None:
    with pytest.raises(ValueError, match="names no field"):
        parsed(path)


def test_a_field_has_a_name() -> None:
    with pytest.raises(ValueError, match="a field has a name"):
        parsed("")
