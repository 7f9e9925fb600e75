"""Whatever happens to a segment's bytes: what was acknowledged is read as it was, or the file is refused."""

from __future__ import annotations

import random
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.journal import frames, segment
from ledger.journal.errors import StoreDamaged
from ledger.journal.frames import Kind, Record
from ledger.journal.segment import HEADER_BYTES, Header, Start
from tests.ledger.journal.logs import SEED, chain, file_of, opened_log, put, records_of

GROUPS = [[b"a" * 9, b""], [b"bb"], [b"c" * 40, b"MBR1", b"d"]]
RECORDS = chain(GROUPS)
ACKNOWLEDGED = len(RECORDS) - len(GROUPS[-1])
DATA = file_of(RECORDS)
#: Where each record ends, the header's end first.
ENDS = [len(file_of(RECORDS[:count])) for count in range(len(RECORDS) + 1)]


def read(path: Path) -> list[Record]:
    return [place.record for place in segment.read(path, segment.read_header(path).start)]


@given(payloads=st.lists(st.binary(max_size=50), max_size=8), position=st.integers(1, 2**62), head=st.binary())
def test_what_is_written_is_read(
    payloads: list[bytes], position: int, head: bytes, tmp_path_factory: pytest.TempPathFactory
) -> None:
    start = Start(position, head[:32].ljust(32, b"h"))
    records = chain([payloads], start)
    path = put(tmp_path_factory.mktemp("log"), file_of(records, start), position)
    assert segment.read_header(path) == Header(start, SEED)
    assert read(path) == records
    assert segment.sound_end(path, start)[0] == path.stat().st_size


def test_reading_may_begin_at_any_record(tmp_path: Path) -> None:
    path = put(tmp_path, DATA)
    places = list(segment.read(path, segment.read_header(path).start))
    assert [place.end for place in places] == ENDS[1:]
    for number, place in enumerate(places[:-1]):
        start = Start(place.record.position + 1, place.record.head)
        assert [later.record for later in segment.read(path, start, place.end)] == RECORDS[number + 1 :]


def test_every_flipped_byte_of_what_was_acknowledged_is_refused(tmp_path: Path) -> None:
    for place in range(ENDS[ACKNOWLEDGED]):
        path = put(tmp_path, flipped(place))
        with pytest.raises(StoreDamaged), opened_log(tmp_path):
            pass
        assert path.read_bytes() == flipped(place)


def test_a_flipped_byte_in_the_last_group_cuts_it_off_there(tmp_path: Path) -> None:
    """Nothing after it says that this group was ever acknowledged; but the tables may know."""
    for place in range(ENDS[ACKNOWLEDGED], len(DATA)):
        path = put(tmp_path, flipped(place))
        with pytest.raises(StoreDamaged, match="the tables have seen 6"), opened_log(tmp_path, settled=len(RECORDS)):
            pass
        assert path.read_bytes() == flipped(place)
        with opened_log(tmp_path) as log:
            assert records_of(log) == RECORDS[: sum(place >= end for end in ENDS[1:])]


def flipped(place: int) -> bytes:
    data = bytearray(DATA)
    data[place] ^= 0x40
    return bytes(data)


def test_wherever_it_is_cut_the_whole_records_stay(tmp_path: Path) -> None:
    for length in range(len(DATA) + 1):
        path = put(tmp_path / str(length), DATA[:length])
        whole = sum(length >= end for end in ENDS[1:])
        with opened_log(path.parent) as log:
            assert records_of(log) == RECORDS[:whole]
            assert log.append(Kind.RUN, b"more").result().position == whole + 1
            assert [record.payload for record in records_of(log, after=whole)] == [b"more"]
        if length >= HEADER_BYTES:
            assert path.read_bytes()[: ENDS[whole]] == DATA[: ENDS[whole]]


@given(st.binary(max_size=300))
def test_garbage_behind_a_torn_group_is_cut_off(tail: bytes) -> None:
    with tempfile.TemporaryDirectory() as directory:
        put(Path(directory), DATA[: ENDS[3] + 10] + tail)
        with opened_log(Path(directory)) as log:
            assert records_of(log) == RECORDS[:3]


def test_zeros_behind_a_torn_group_are_cut_off(tmp_path: Path) -> None:
    put(tmp_path, DATA[: ENDS[3] + 10] + bytes(5_000))
    with opened_log(tmp_path) as log:
        assert records_of(log) == RECORDS[:3]


def test_a_hole_in_an_unacknowledged_group_cuts_off_what_follows(tmp_path: Path) -> None:
    """Pages of one group reach the disk in any order."""
    put(tmp_path, DATA[: ENDS[3]] + bytes(ENDS[4] - ENDS[3]) + DATA[ENDS[4] :])
    with opened_log(tmp_path) as log:
        assert records_of(log) == RECORDS[:3]


def test_a_hole_in_an_acknowledged_group_is_damage(tmp_path: Path) -> None:
    put(tmp_path, DATA[: ENDS[1]] + bytes(ENDS[2] - ENDS[1]) + DATA[ENDS[2] :])
    with pytest.raises(StoreDamaged, match="position 2, is damaged"), opened_log(tmp_path):
        pass


def test_an_acknowledged_record_may_not_be_taken_out(tmp_path: Path) -> None:
    put(tmp_path, DATA[: ENDS[1]] + DATA[ENDS[2] :])
    with pytest.raises(StoreDamaged, match="it says position 3"), opened_log(tmp_path):
        pass


def test_what_an_agent_sends_cannot_pass_for_a_settled_record(tmp_path: Path) -> None:
    """A crash must not become a store that is refused, only because a torn payload looks like a record."""
    forged = Record(Kind.BATCH, 5, 5, 2**60, bytes(32), b"")
    payload = b"".join(frames.pack(forged, seed) for seed in (0, 1, 0xFFFFFFFF))
    records = chain([[b"a"], [payload, b"b"]])
    whole = file_of(records)
    for length in range(len(file_of(records[:1])) + 1, len(whole)):
        put(tmp_path / str(length), whole[:length])
        with opened_log(tmp_path / str(length)) as log:
            assert log.end == sum(length >= len(file_of(records[:count])) for count in (1, 2, 3))


def test_a_torn_payload_full_of_magic_does_not_hold_up_the_start(tmp_path: Path) -> None:
    """Time in proportion to the bytes: a payload of nothing but beginnings took hours when each was followed up."""
    fake = frames.MAGIC + (frames.PAYLOAD_BYTES_MAX).to_bytes(4, "little") * 2 + bytes(4)
    payload = fake * 100_000
    put(tmp_path, file_of(chain([[b"a"], [payload]]))[:-1])
    with opened_log(tmp_path) as log:
        assert log.end == 1


def test_bytes_that_are_no_segment(tmp_path: Path) -> None:
    with pytest.raises(StoreDamaged, match="header is damaged"):
        segment.read_header(put(tmp_path, random.Random(1).randbytes(100)))
    with pytest.raises(StoreDamaged, match="not the segment that its name says"):
        segment.read_header(put(tmp_path, DATA, position=2))
    with pytest.raises(StoreDamaged, match="cannot be opened"):
        segment.read_header(tmp_path / "nowhere.seg")
    with pytest.raises(StoreDamaged, match="cannot be opened"):
        list(segment.read(tmp_path / "nowhere.seg", Start(1, bytes(32))))
