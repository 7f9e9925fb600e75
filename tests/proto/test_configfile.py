"""Whatever stands in a configuration's file: a value, or one sentence with the place; nothing else ends its reading."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from meterbook.configfile import FileError, read


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"a: [", "line 1, column 5: expected the node content, but found '<stream end>'"),
        (b"a: 1\nb: 2\na: 3\n", "line 3, column 1: the key 'a' is given twice"),
        (b"when: 2026-13-45", "line 1, column 7: '2026-13-45' is not what it looks like (month must be in 1..12): put it into quotes"),
        (b"x: {y: !!int abc}", "line 1, column 8: 'abc' is not what it looks like (invalid literal for int() with base 10: 'abc'): put it into quotes"),
        (b"x: !!python/object:os.system {}", "line 1, column 4: could not determine a constructor"),
        (b"[" * 5_000, "is nested too deeply to be a configuration"),
        (b"a: &a [1,1,1,1,1,1,1,1,1,1]\n" + b"".join(b"%c: &%c [*%c,*%c,*%c,*%c,*%c,*%c,*%c,*%c,*%c,*%c]\n" % (98 + n, 98 + n, *[97 + n] * 10) for n in range(7)), "line 1, column 1: its aliases stand for more than 1,000,000 values"),
        (b"a: &a [*a]", "line 1, column 1: its aliases stand for more than 1,000,000 values"),
        (b"store: \xe9", "is not UTF-8 text at byte 7"),
        (b"a: \x00", "is not YAML: unacceptable character #x0000: special characters are not allowed"),
    ],
)  # fmt: skip
def test_a_fault_is_one_sentence(tmp_path: Path, text: bytes, message: str) -> None:
    path = tmp_path / "a.yaml"
    path.write_bytes(text)
    with pytest.raises(FileError) as caught:
        read(path)
    said = str(caught.value)
    assert said.startswith(f"{path}: {message}") and "\n" not in said


def test_aliases_are_what_they_stand_for(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("a: &a {b: [1, 2]}\nc: [*a, *a]\nd: {<<: *a, e: 1}\n")
    held = {"b": [1, 2]}
    assert read(path) == {"a": held, "c": [held, held], "d": {**held, "e": 1}}


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FileError, match=r"none.yaml: cannot be read: No such file or directory"):
        read(tmp_path / "none.yaml")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.one_of(st.binary(max_size=60), st.text("a1:-,[]{}!&*#?|>%@`\"'\n .ef_xTZ", max_size=40).map(str.encode)))
def test_nothing_else_comes_of_it(tmp_path: Path, text: bytes) -> None:
    path = tmp_path / "a.yaml"
    path.write_bytes(text)
    with suppress(FileError):
        read(path)
