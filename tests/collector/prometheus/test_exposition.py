"""Pages as rows: the lines of both formats, and what is no line of them."""

from __future__ import annotations

from typing import Literal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from collector.errors import PermanentError, SourceError, TransientError
from collector.prometheus.exposition import Family, HeadError, Row, parse, parse_head
from collector.prometheus.fetch import Page

FORMATS: tuple[Literal["text", "openmetrics"], ...] = ("text", "openmetrics")


def rows(text: str, format: Literal["text", "openmetrics"] = "text") -> list[Row]:
    return parse("target", Page(text, format), 1000).rows


@pytest.mark.parametrize(
    ("line", "row"),
    [
        ("up 1", Row("up", 1.0, None)),
        ("up\t1", Row("up", 1.0, None)),
        ("up 1 \r", Row("up", 1.0, None)),
        ("up{} 1", Row("up{}", 1.0, None)),
        ('up{a="b"}1', Row('up{a="b"}', 1.0, None)),
        ('up { a = "b" , } 1', Row('up { a = "b" , }', 1.0, None)),
        (r'up{a="}\" 5 \\"} 1', Row(r'up{a="}\" 5 \\"}', 1.0, None)),
        ('up{a="\u2028\x0b"} 1', Row('up{a="\u2028\x0b"}', 1.0, None)),
        ('{"my.metric",a="b"} 1', Row('{"my.metric",a="b"}', 1.0, None)),
        ("up -1.5e-3", Row("up", -0.0015, None)),
        ("up .5", Row("up", 0.5, None)),
        ("up 5.", Row("up", 5.0, None)),
        ("up +Inf", Row("up", float("inf"), None)),
        ("up -inf", Row("up", float("-inf"), None)),
        ("up 1 1767225600123", Row("up", 1.0, 1_767_225_600_123_000)),
        ("up 1 -5", Row("up", 1.0, -5_000)),
        ("up " + "9" * 400, Row("up", float("inf"), None)),
    ],
)
def test_lines_of_the_text_format(line: str, row: Row) -> None:
    assert rows(line + "\n") == [row]


@pytest.mark.parametrize(
    ("line", "row"),
    [
        ("up 1 1767225600", Row("up", 1.0, 1_767_225_600_000_000)),
        ("up 1 1767225600.1234567", Row("up", 1.0, 1_767_225_600_123_456)),
        ("up 1 -0.5", Row("up", 1.0, -500_000)),
        ('jobs_total 1 # {trace_id="x"} 0.67 1767225600.1', Row("jobs_total", 1.0, None)),
        ('jobs_total 1 2 # {trace_id="x # } 5"} 0.67', Row("jobs_total", 1.0, 2_000_000)),
    ],
)
def test_lines_of_openmetrics(line: str, row: Row) -> None:
    assert rows(line + "\n# EOF\n", "openmetrics") == [row]


@pytest.mark.parametrize(
    "line",
    [
        "<html>",
        "garbage",
        "inf",
        "up",
        "up ",
        "up one",
        "up 1_000",
        "up 0x10",
        "up \u0661",
        "up 1 2 3",
        "up 1 1.5",
        "up 1 soon",
        "1up 1",
        "up{ 1",
        'up{a="b 1',
        'up{a="b"} # 1',
        'jobs_total 1 # {trace_id="x"} 0.67',
        "# TYPE up",
        "# TYPE up speedometer",
        '# TYPE "up counter',
        "up 1" + "9" * 16 + " 1" * 9,
    ],
)
def test_a_line_that_is_none_is_named(line: str) -> None:
    with pytest.raises(PermanentError, match=r"^target line 2 is not a "):
        rows(f"fine 1\n{line}\nfine_too 2\n")


@pytest.mark.parametrize("head", ["{}", "up{a}", "up{a=b}", 'up{a="b" "c"}', 'up{a="1",a="2"}', 'up{__name__="x"}'])
def test_a_head_that_is_none(head: str) -> None:
    with pytest.raises(HeadError, match="is no metric name and labels"):
        parse_head(head)


@pytest.mark.parametrize(
    ("head", "name", "labels"),
    [
        ("up", "up", {}),
        (r'up{a="\\\"\n",b="",}', "up", {"a": '\\"\n'}),
        ('{"my.metric","my.label"="b"}', "my.metric", {"my.label": "b"}),
    ],
)
def test_heads(head: str, name: str, labels: dict[str, str]) -> None:
    assert parse_head(head) == (name, labels)


def test_declarations_are_of_their_format() -> None:
    text = "# HELP a\n# TYPE a counter\n#TYPE b counter\n# UNIT a bytes\n# TYPE is what a line begins with\n"
    with pytest.raises(PermanentError, match="line 5 is not a declaration"):
        rows(text)
    assert parse("t", Page("# TYPE a counter\n# UNIT a of nothing at all\n", "text"), 9).families == {
        "a": Family("counter")
    }
    assert parse("t", Page("# TYPE a_bytes counter\n# UNIT a_bytes bytes\n# EOF\n", "openmetrics"), 9).families == {
        "a_bytes": Family("counter", "bytes")
    }


@pytest.mark.parametrize(
    ("text", "format"),
    [
        ("a 1\nb 2", "text"),
        ("a 1\n", "openmetrics"),
        ("a 1\n# EO", "openmetrics"),
        ("a 1# EOF\n", "openmetrics"),
        ("\n", "openmetrics"),
    ],
)
def test_a_page_without_its_end_was_cut_off(text: str, format: Literal["text", "openmetrics"]) -> None:
    with pytest.raises(TransientError, match="it was cut off"):
        rows(text, format)


def test_nothing_stands_after_the_end() -> None:
    with pytest.raises(PermanentError, match="line 2 is not a declaration: '# EOF'"):
        rows("a 1\n# EOF\nb 2\n# EOF\n", "openmetrics")


def test_an_empty_page_is_no_page() -> None:
    for kind in FORMATS:
        with pytest.raises(PermanentError, match="empty page"):
            rows("", kind)
    assert rows("# EOF", "openmetrics") == rows("# EOF\n", "openmetrics") == rows("# nothing yet\n") == []


def test_samples_are_limited() -> None:
    with pytest.raises(PermanentError, match="more than samples_max 2 samples"):
        parse("target", Page("a 1\nb 1\nc 1\n", "text"), 2)


@given(text=st.one_of(st.text(), st.text(alphabet='#ab{}="\\, \t\n10.eE-+_TYPEinf ')))
@example(text='a{b="' + "\\" * 1000 + "\n")
def test_any_text_is_a_page_or_a_source_error(text: str) -> None:
    for kind, end in zip(FORMATS, ("\n", "\n# EOF\n"), strict=True):
        try:
            for row in rows(text + end, kind):
                parse_head(row.head)
        except (SourceError, HeadError):
            pass
