"""Pages as rows: the lines of both formats, and what is no line of them."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from collector.errors import PermanentError, SourceError, TransientError
from collector.exposition.declarations import Family
from collector.exposition.heads import HeadError, parse_head
from collector.exposition.page import Format, Page
from collector.exposition.reader import PageReader, Rows
from collector.exposition.values import NO_TIME

FORMATS: tuple[Format, ...] = ("text", "openmetrics")


class Row(NamedTuple):
    """One sample: head, value, and time in microseconds."""

    head: str
    value: float
    time_us: int | None


def listed(found: Rows) -> list[Row]:
    heads = [head.rstrip(" \t") for head in found.layout.heads.to_pylist()]
    times = [None] * len(heads) if found.times_us is None else found.times_us.tolist()
    assert len(heads) == len(found.values) == len(times)
    known = [None if time == NO_TIME else time for time in times]
    return [Row(*row) for row in zip(heads, found.values.tolist(), known, strict=True)]


def read(text: str, format: Format = "text", samples_max: int = 1_000) -> Rows:
    return PageReader("target", samples_max).read(Page(text.encode("utf-8", "surrogatepass"), format))


def rows(text: str, format: Format = "text") -> list[Row]:
    return listed(read(text, format))


@pytest.mark.parametrize(
    ("line", "row"),
    [
        ("up 1", Row("up", 1.0, None)),
        ("up\t1", Row("up", 1.0, None)),
        ("  \tup 1", Row("  \tup", 1.0, None)),
        (' up{a="b"} 1', Row(' up{a="b"}', 1.0, None)),
        ("up 1\n ", Row("up", 1.0, None)),
        ("  \n\t\nup 1\n  # a comment\n", Row("up", 1.0, None)),
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
        ("up 1 1767225600.1234567", Row("up", 1.0, 1_767_225_600_123_457)),
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
        'up{a="b"} # 1',
        "# TYPE up",
        "# TYPE up speedometer",
        '# TYPE "up counter',
        "up 1" + "9" * 16 + " 1" * 9,
    ],
)
def test_a_line_that_is_none_is_named(line: str) -> None:
    with pytest.raises(PermanentError, match=r"^target line 2 is not a "):
        rows(f"fine 1\n{line}\nfine_too 2\n")


@pytest.mark.parametrize(
    "head",
    [
        "1up",
        "up{",
        'up{a="b',
        'jobs_total 1 # {trace_id="x"}',
        "up}",
        "u p{}",
        'up{a="b"} 5}',
        "{}",
        "up{a}",
        "up{a=b}",
        'up{a="b" "c"}',
        'up{a="1",a="2"}',
        'up{__name__="x"}',
    ],
)
def test_a_head_that_is_none(head: str) -> None:
    with pytest.raises(HeadError, match="is no metric name and labels"):
        parse_head(head)


@pytest.mark.parametrize(
    ("head", "name", "labels"),
    [
        ("up", "up", {}),
        (" up ", "up", {}),
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
    found = read("# TYPE a counter\n# UNIT a of nothing at all\n").layout.families
    assert found == {"a": Family("counter")}
    found = read(
        '# TYPE a_bytes counter\n# UNIT a_bytes bytes\n# TYPE "b.c" gauge\n# EOF\n', "openmetrics"
    ).layout.families
    assert found == {"a_bytes": Family("counter", "bytes"), "b.c": Family("gauge")}


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
def test_a_page_without_its_end_was_cut_off(text: str, format: Format) -> None:
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
        read("a 1\nb 1\nc 1\n", samples_max=2)
    assert len(listed(read("a 1\nb 1\n", samples_max=2))) == 2


@pytest.mark.parametrize("where", ['a{x="%s"} 1\n', "a 1%s\n", "# HELP a %s\n", 'a{x="b"} 1 2%s\n'])
def test_bytes_that_are_no_text(where: str) -> None:
    reader = PageReader("target", 10)
    body = where.encode().replace(b"%s", b"\xff")
    reader.read(Page(body.replace(b"\xff", b""), "text"))
    with pytest.raises(PermanentError, match=r"not UTF-8|is not a sample"):
        reader.read(Page(body, "text"))


def test_an_exemplar_that_is_no_text() -> None:
    body = b'a_total 1 # {trace_id="\xff"} 1\n# EOF\n'
    with pytest.raises(PermanentError, match=r"^target line 1 is not a sample: "):
        PageReader("target", 10).read(Page(body, "openmetrics"))


@given(text=st.one_of(st.text(), st.text(alphabet='#ab{}="\\, \t\n\r10.eE-+_TYPEinf ')))
@example(text='a{b="' + "\\" * 1000 + "\n")
def test_any_text_is_a_page_or_a_source_error(text: str) -> None:
    for kind, end in zip(FORMATS, ("\n", "\n# EOF\n"), strict=True):
        try:
            for row in rows(text + end, kind):
                parse_head(row.head)
        except (SourceError, HeadError):
            pass


names = st.from_regex(r"[a-zA-Z_:][a-zA-Z0-9_:]{0,6}", fullmatch=True)
# The oracle has no labels with two underscores in front.
labels = st.dictionaries(st.from_regex(r"(?!__)[a-z_][a-z0-9_]{0,4}", fullmatch=True), st.text(max_size=6), max_size=3)
values = st.one_of(st.floats(), st.integers(-(10**20), 10**20).map(float))


def escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def line_of(name: str, labels: dict[str, str], value: float, time_ms: int | None) -> str:
    inner = ",".join(f'{key}="{escaped(text)}"' for key, text in labels.items())
    return f"{name}{{{inner}}} {value!r}" + ("" if time_ms is None else f" {time_ms}")


samples = st.tuples(names, labels, values, st.none() | st.integers(-(10**14), 10**14))


@given(page=st.lists(samples, min_size=1, max_size=12))
def test_valid_pages_say_what_another_parser_reads(page: list[tuple[str, dict[str, str], float, int | None]]) -> None:
    """The oracle is the parser of prometheus_client, line by line; it breaks lines at more than LF, and so do not these."""
    text = "".join(line_of(*sample) + "\n" for sample in page)
    found = rows(text)
    assert len(found) == len(page)
    for row, sample in zip(found, page, strict=True):
        name, exposed = parse_head(row.head)
        if not any(mark in "".join(sample[1].values()) for mark in "\r\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029\t "):
            (family,) = text_string_to_metric_families(line_of(*sample) + "\n")
            (oracle,) = family.samples
            assert (name, exposed) == (oracle.name, {key: text for key, text in oracle.labels.items() if text})
            assert row.value == oracle.value or (math.isnan(row.value) and math.isnan(oracle.value))
        assert row.time_us == (None if sample[3] is None else sample[3] * 1_000)


changes = st.lists(
    st.lists(st.tuples(st.integers(0, 9), values, st.none() | st.integers(0, 10**12)), max_size=10), max_size=6
)


@given(
    pages=changes, kind=st.sampled_from(FORMATS), blanks=st.lists(st.sampled_from([" ", "  ", "\t", " \t"]), min_size=1)
)
@settings(deadline=None)
def test_a_remembered_layout_changes_nothing(
    pages: list[list[tuple[int, float, int | None]]], kind: Format, blanks: list[str]
) -> None:
    """One reader over many pages reads each as a new reader does, and knows again which heads it had before."""
    reader, before = PageReader("target", 100), None
    for page in pages:
        text = "# TYPE a counter\n"
        for place, (number, value, time) in enumerate(page):
            blank = blanks[place % len(blanks)]
            text += f'a{{n="{number} }} {{"}}{blank}{value!r}' + ("" if time is None else f"{blank}{time}") + "\n"
        body = Page((text + ("# EOF\n" if kind == "openmetrics" else "")).encode(), kind)
        found = reader.read(body)
        fresh = PageReader("target", 100).read(body)
        assert repr(listed(found)) == repr(listed(fresh))
        assert found.layout.families == fresh.layout.families
        if before is not None:
            heads, known = found.layout.heads.to_pylist(), before.heads.to_pylist()
            expected = [known.index(head) if head in known else -1 for head in heads]
            assert found.layout.places_in(before).tolist() == expected
            assert (found.layout is before) == (heads == known) or blanks != blanks[:1] * len(blanks)
        before = found.layout


def test_the_usual_page_keeps_its_layout() -> None:
    reader = PageReader("target", 10)
    body = '# TYPE a counter\na{x="1"} %s\n\nb %s 17\n'
    first, second = (reader.read(Page((body % given).encode(), "text")) for given in ((1, 2), ("-4.5e3", "NaN")))
    assert first.layout is second.layout
    assert second.values[0] == -4500.0
    assert np.isnan(second.values[1])
    third = reader.read(Page((body % (1, 2)).replace("counter", "gauge").encode(), "text"))
    assert third.layout is not first.layout
    assert third.layout.families == {"a": Family("gauge")}


def test_blanks_before_a_declaration_mean_nothing() -> None:
    assert read("  # TYPE a counter\na 1\n").layout.families == {"a": Family("counter")}


def test_a_page_with_carriage_returns_has_a_layout_too() -> None:
    reader = PageReader("x", 100)
    first, second = (reader.read(Page(b'# TYPE a counter\r\na{b="1"} %d\r\nc 2\r\n' % n, "text")) for n in (1, 7))
    assert first.layout is second.layout
    assert second.values.tolist() == [7.0, 2.0]


@pytest.mark.parametrize(
    "exemplar", ['{a="b"} 1', "{} 1 1.5", '{a="#",b="\\"}"} -1e3 5', '{a="b",} 1', '{trace_id="x" , "y.z"="q"} 0.5 1']
)
def test_what_is_an_exemplar(exemplar: str) -> None:
    (value,) = PageReader("x", 100).read(Page(f"a 1 # {exemplar}\n# EOF\n".encode(), "openmetrics")).values
    assert value == 1.0


@pytest.mark.parametrize("rest", ["garbage", "{", '{a="b"}', '{a="b" 1', "{a=b} 1", '{a="b"} 1 2 3', "{} # {} 1"])
def test_what_is_none(rest: str) -> None:
    with pytest.raises(PermanentError, match="line 1 is not a sample"):
        PageReader("x", 100).read(Page(f"a 1 # {rest}\n# EOF\n".encode(), "openmetrics"))
