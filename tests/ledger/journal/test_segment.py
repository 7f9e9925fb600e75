"""Whatever happens to a segment's bytes: what was acknowledged is read as it was, or the file is refused."""

from __future__ import annotations

import random
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.journal import frames, segment
from ledger.journal.disk import Disk, DiskFile
from ledger.journal.errors import StoreDamaged
from ledger.journal.frames import BadFrame, Commit
from ledger.journal.log import Known
from ledger.journal.record import Head
from ledger.journal.segment import Group, Header
from meterbook.proof.merkle import Frontier
from tests.ledger.journal.logs import SEED, append, check_whole, file_of, groups_of, opened_log, payloads, put

PAYLOADS = [[b"a" * 9, b""], [b"bb"], [b"c" * 40, b"MBR2MBC2", b"d"]]
GROUPS = groups_of(PAYLOADS)
DATA = file_of(GROUPS)
#: Where each group ends, the header's end first.
ENDS = [len(file_of(GROUPS[:count])) for count in range(len(GROUPS) + 1)]
ACKNOWLEDGED = ENDS[-2]


def flat(groups: list[list[bytes]]) -> list[bytes]:
    return [payload for group in groups for payload in group]


def opened_file(path: Path) -> DiskFile:
    return Disk(path.parent).open(path.name)


def read(path: Path) -> tuple[Header, list[Group]]:
    file = opened_file(path)
    header, offset = segment.read_header(file)
    frontier, found = header.frontier, []
    while offset < file.size:
        found.append(segment.read_group(file, offset, header.seed, frontier))
        offset, frontier = found[-1].end, found[-1].frontier
    file.close()
    return header, found


def flipped(place: int) -> bytes:
    data = bytearray(DATA)
    data[place] ^= 0x40
    return bytes(data)


@given(
    contents=st.lists(st.lists(st.binary(max_size=50), min_size=1, max_size=4), max_size=4),
    before=st.integers(0, 2**40).flatmap(lambda size: st.just(Frontier(size, (bytes(range(32)),) * size.bit_count()))),
    time_us=st.integers(0, 1_000),
)
def test_what_is_written_is_read(contents: list[list[bytes]], before: Frontier, time_us: int) -> None:
    groups = groups_of(contents, before, Head(4, bytes(range(32)), 1))
    header = Header(before, time_us, SEED)
    data = segment.pack_header(header) + file_of(groups, before)[len(segment.pack_header(header)) :]
    with tempfile.TemporaryDirectory() as directory:
        found, read_groups = read(put(Path(directory), data, before.size + 1))
    assert (found, found.position) == (header, before.size + 1)
    assert [(each.records, each.frontier) for each in read_groups] == [(each.records, each.frontier) for each in groups]


def test_the_format_has_not_changed() -> None:
    header = Header(Frontier(5, (bytes(32), bytes(range(32)))), 7, SEED)
    assert segment.pack_header(header)[:-4].hex() == (
        b"MBKSEG02".hex() + "eeffc000" + "00000000" + "0700000000000000" + "48000000" + "0500000000000000"
        f"{bytes(32).hex()}{bytes(range(32)).hex()}"
    )
    assert segment.name_of(6) == "00000000000000000006.seg"
    assert segment.position_of("00000000000000000006.seg") == 6


def test_every_flipped_byte_of_what_was_acknowledged_is_refused(tmp_path: Path) -> None:
    for place in range(ACKNOWLEDGED):
        path = put(tmp_path, flipped(place))
        with pytest.raises(StoreDamaged), opened_log(tmp_path):
            pass
        assert path.read_bytes() == flipped(place)


def test_a_flipped_byte_in_the_last_group_cuts_all_of_it_off(tmp_path: Path) -> None:
    """Nothing behind it says that this group was ever acknowledged; but the tables may know."""
    for place in range(ACKNOWLEDGED, len(DATA)):
        path = put(tmp_path, flipped(place))
        with (
            pytest.raises(StoreDamaged, match="ends at position 3, but the tables have seen 4"),
            opened_log(tmp_path, known=Known(4)),
        ):
            pass
        assert path.read_bytes() == flipped(place)
        with opened_log(tmp_path) as log:
            assert payloads(log) == flat(PAYLOADS[:2])
        assert path.read_bytes() == DATA[:ACKNOWLEDGED]


def test_wherever_it_is_cut_the_whole_groups_stay(tmp_path: Path) -> None:
    for length in range(len(DATA) + 1):
        path = put(tmp_path / str(length), DATA[:length])
        whole = flat([group for group, end in zip(PAYLOADS, ENDS[1:], strict=True) if length >= end])
        with opened_log(path.parent) as log:
            assert payloads(log) == whole
            assert append(log, b"more") == len(whole) + 1
            check_whole(log)
        with opened_log(path.parent) as log:
            assert payloads(log) == [*whole, b"more"]


@given(st.binary(max_size=300))
def test_garbage_behind_a_torn_group_is_cut_off(tail: bytes) -> None:
    with tempfile.TemporaryDirectory() as directory:
        put(Path(directory), DATA[: ENDS[2] + 10] + tail)
        with opened_log(Path(directory)) as log:
            assert payloads(log) == flat(PAYLOADS[:2])


@pytest.mark.parametrize("begun", [0, 10])
def test_zeros_behind_the_last_group_are_cut_off(begun: int, tmp_path: Path) -> None:
    put(tmp_path, DATA[: ENDS[2] + begun] + bytes(5_000))
    with opened_log(tmp_path) as log:
        assert payloads(log) == flat(PAYLOADS[:2])


def test_a_hole_in_an_unacknowledged_group_takes_all_of_it(tmp_path: Path) -> None:
    """Pages of one group reach the disk in any order: its commit may be there before its records."""
    put(tmp_path, DATA[: ENDS[2]] + bytes(50) + DATA[ENDS[2] + 50 :])
    with opened_log(tmp_path) as log:
        assert payloads(log) == flat(PAYLOADS[:2])


def test_a_hole_in_an_acknowledged_group_is_damage(tmp_path: Path) -> None:
    put(tmp_path, DATA[: ENDS[1]] + bytes(ENDS[2] - ENDS[1]) + DATA[ENDS[2] :])
    with pytest.raises(StoreDamaged, match="position 3, is damaged"), opened_log(tmp_path):
        pass


def test_an_acknowledged_group_may_not_be_taken_out(tmp_path: Path) -> None:
    put(tmp_path, DATA[: ENDS[1]] + DATA[ENDS[2] :])
    with pytest.raises(StoreDamaged, match="its commit is for 3 records from position 4 on"), opened_log(tmp_path):
        pass


def test_a_group_of_another_history_does_not_follow(tmp_path: Path) -> None:
    """Same positions, same seed, every checksum right: only the tree's root tells."""
    other = groups_of([[b"A" * 9, b""], *PAYLOADS[1:]])
    path = put(tmp_path, DATA[: ENDS[1]] + b"".join(segment.pack_group(each, SEED) for each in other[1:]))
    file = opened_file(path)
    with pytest.raises(BadFrame, match="root after it is not the one"):
        segment.read_group(file, ENDS[1], SEED, GROUPS[0].frontier)
    file.close()


def test_a_commit_of_nothing_is_none(tmp_path: Path) -> None:
    empty = Commit(1, 0, 0, 0, Frontier().root())
    path = put(tmp_path, file_of([]) + frames.pack_commit(empty, SEED))
    file = opened_file(path)
    with pytest.raises(BadFrame):
        segment.read_group(file, ENDS[0], SEED, Frontier())
    file.close()


def test_what_an_agent_sends_cannot_pass_for_a_later_commit(tmp_path: Path) -> None:
    """A crash must not become a store that is refused, only because a torn payload looks like a commit."""
    forged = Commit(2**40, 1, 5, 0, bytes(32))
    payload = b"".join(frames.pack_commit(forged, seed) for seed in (0, 1, 0xFFFFFFFF))
    groups = groups_of([[b"a"], [payload, b"b"]])
    whole = file_of(groups)
    for length in range(len(file_of(groups[:1])), len(whole)):
        put(tmp_path / str(length), whole[:length])
        with opened_log(tmp_path / str(length)) as log:
            assert payloads(log) == [b"a"]


def test_a_later_commit_is_found_wherever_it_stands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The search goes in steps, and a commit may lie across two."""
    monkeypatch.setattr(segment, "_SEARCH_BYTES", 128)
    later = frames.pack_commit(Commit(9, 1, 5, 0, bytes(32)), SEED)
    same = frames.pack_commit(Commit(4, 1, 5, 0, bytes(32)), SEED)
    for distance in range(300):
        for commit, is_cut_off in ((later, False), (same, True), (later[:-1], True)):
            file = opened_file(put(tmp_path, DATA[: ENDS[2]] + bytes(distance) + commit))
            assert segment.is_cut_off(file, ENDS[2], SEED, 4) is is_cut_off
            file.close()


def test_a_torn_payload_full_of_magic_does_not_hold_up_the_start(tmp_path: Path) -> None:
    """Time in proportion to the bytes: every one of a million beginnings is looked at once."""
    payload = (frames.COMMIT_MAGIC + frames.RECORD_MAGIC) * 200_000
    put(tmp_path, file_of(groups_of([[b"a"], [payload]]))[:-1])
    with opened_log(tmp_path) as log:
        assert log.end == 1


def test_bytes_that_are_no_segment(tmp_path: Path) -> None:
    noise = random.Random(1).randbytes(5_000)
    for data, position in ((noise, 1), (b"", 1), (DATA[: ENDS[0] - 1], 1), (DATA, 2), (b"MBKSEG01" + DATA[8:], 1)):
        file = opened_file(put(tmp_path, data, position))
        with pytest.raises(StoreDamaged, match="header is damaged, or not that of its name"):
            segment.read_header(file)
        file.close()


@pytest.mark.parametrize("size", [0, 1, 255, 2**40 - 1])
def test_a_segment_is_unfinished_only_where_nothing_can_stand_behind_its_header(size: int, tmp_path: Path) -> None:
    header = segment.pack_header(Header(Frontier(size, (bytes(32),) * size.bit_count()), 0, SEED))
    torn = header[:-1] + bytes([header[-1] ^ 1])
    for data, is_unfinished in (
        (b"", True),
        (header[:-1], True),
        (bytes(len(header)), True),
        (torn, True),
        (header, False),
        (header + b"x", False),
        (torn + b"x", False),
    ):
        file = opened_file(put(tmp_path, data, size + 1))
        assert segment.is_unfinished(file) is is_unfinished
        file.close()
