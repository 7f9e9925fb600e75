"""Compressed bytes come out whole however they are cut; what is damaged or cut off says so, after all that could be read."""

from __future__ import annotations

import gzip
from collections.abc import Iterator

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.datastore.inflate import Damaged, plain
from collector.errors import TransientError

PAGE = b"".join(b'{"id":"%d"}\n' % number for number in range(2_000))


def zstd(content: bytes) -> bytes:
    return bytes(pa.compress(content, "zstd", asbytes=True))


FORMS = {"plain": bytes, "gzip": gzip.compress, "zstd": zstd}


def cut(content: bytes, sizes: list[int]) -> Iterator[bytes]:
    start = 0
    for size in sizes:
        yield content[start : start + size]
        start += size
    yield content[start:]


@given(
    form=st.sampled_from(sorted(FORMS)),
    members=st.lists(st.binary(max_size=300) | st.just(PAGE), min_size=1, max_size=3),
    sizes=st.lists(st.integers(1, 40), max_size=20),
)
def test_what_was_compressed_comes_out(form: str, members: list[bytes], sizes: list[int]) -> None:
    content = b"".join(FORMS[form](member) for member in members)
    if form == "plain" and content[:2] in (b"\x1f\x8b", b"\x28\xb5"):
        return
    assert b"".join(plain(cut(content, sizes))) == b"".join(members)


def test_a_bomb_comes_in_portions() -> None:
    content = gzip.compress(bytes(64 << 20))
    lengths = [len(portion) for portion in plain(iter([content]))]
    assert sum(lengths) == 64 << 20
    assert max(lengths) <= 1 << 20


@pytest.mark.parametrize("form", ["gzip", "zstd"])
@pytest.mark.parametrize("fault", ["cut off", "damaged"])
def test_what_could_be_read_comes_before_the_damage(form: str, fault: str) -> None:
    content = FORMS[form](PAGE * 200)
    middle = len(content) // 2
    content = content[:middle] if fault == "cut off" else content[:middle] + bytes(80) + content[middle + 80 :]
    found: list[bytes] = []
    with pytest.raises(Damaged, match=form):
        found.extend(plain(iter([content])))
    assert (PAGE * 200).startswith(b"".join(found)[: len(PAGE)])


def test_what_gzip_is_filled_up_with_is_nothing() -> None:
    assert b"".join(plain(iter([gzip.compress(b"a") + bytes(512) + gzip.compress(b"b") + bytes(9)]))) == b"ab"


@pytest.mark.parametrize("form", sorted(FORMS))
def test_what_the_source_raises_is_raised(form: str) -> None:
    def broken() -> Iterator[bytes]:
        yield FORMS[form](PAGE)[:20]
        raise TransientError("the connection is gone")

    with pytest.raises(TransientError, match="the connection is gone"):
        list(plain(broken()))


def test_nothing_is_nothing() -> None:
    assert list(plain(iter([]))) == []
    assert b"".join(plain(iter([b"\x1f"]))) == b"\x1f"
