"""What is unpacked piece by piece is what was packed, wherever it is read, and again where it was read before."""

from __future__ import annotations

import gzip
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.datastore.logfile.contents import Plain, Unpacked
from collector.readonly import open_file

#: More than is held of what was read before, and than the beginning that is kept.
WHOLE = b"".join(b"%08d\n" % number for number in range(300_000))


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Unpacked]:
    path = tmp_path_factory.mktemp("packed") / "usage.log.1.gz"
    # Two members, as programs write them that compress in parallel.
    path.write_bytes(gzip.compress(WHOLE[:1_000_000], 1) + gzip.compress(WHOLE[1_000_000:], 1))
    content = Unpacked(open_file(str(path)))
    yield content
    content.close()


@given(
    reads=st.lists(
        st.tuples(st.integers(0, len(WHOLE) + 10), st.sampled_from([0, 1, 256, 5000, 100_000, 1_000_000])), max_size=5
    )
)
@settings(max_examples=50)
def test_any_reads_give_what_was_packed(packed: Unpacked, reads: list[tuple[int, int]]) -> None:
    for offset, length in reads:
        assert packed.read(offset, length) == WHOLE[offset : offset + length]
    assert packed.read(len(WHOLE), 1) == b""
    assert (packed.size, packed.damage) == (len(WHOLE), "")


def test_no_more_is_held_than_a_read(packed: Unpacked) -> None:
    for offset in range(0, len(WHOLE), 100_000):
        packed.read(offset, 100_000)
        assert len(packed._held) < 1_500_000


def test_the_beginning_of_small_members_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "usage.log.1.gz"
    path.write_bytes(b"".join(gzip.compress(WHOLE[start : start + 900], 1) for start in range(0, 90_000, 900)))
    content = Unpacked(open_file(str(path)))
    assert content.read(80_000, 100) == WHOLE[80_000:80_100]
    unpacked_from = content._base
    assert content.read(0, 4096) == WHOLE[:4096]
    # It is not unpacked anew for that.
    assert content._base == unpacked_from > 0
    content.close()


def test_a_file_that_grows_is_read_anew(tmp_path: Path) -> None:
    path = tmp_path / "usage.log.1.gz"
    whole = gzip.compress(WHOLE[:5000])
    path.write_bytes(whole[:-9])
    content = Unpacked(open_file(str(path)))
    assert content.read(5000, 1) == b""
    assert content.damage == "it ends within its gzip data"
    path.write_bytes(whole)
    os.utime(path, ns=(1, 1))
    assert content.read(0, 6000) == WHOLE[:5000]
    assert content.damage == ""
    content.close()


def test_a_plain_file_may_grow(tmp_path: Path) -> None:
    path = tmp_path / "usage.log"
    path.write_bytes(b"abc")
    content = Plain(open_file(str(path)))
    assert (content.read(1, 10), content.size) == (b"bc", 3)
    path.write_bytes(b"abcde")
    assert (content.read(1, 10), content.size) == (b"bcde", 5)
    content.close()
