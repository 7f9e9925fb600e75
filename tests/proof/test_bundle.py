"""A proof file proves its batch to whoever knows the ledger's key, and no changed file does."""

from __future__ import annotations

import base64
import dataclasses
import json
from typing import Any

import pytest

from meterbook.proof.bundle import BatchFacts, Bundle, check_bundle, parse_path, path_text
from meterbook.proof.errors import Malformed, ProofError, Refuted, UnknownSigner
from meterbook.proof.leaf import batch_seal
from tests.proof.ledgers import FACTS, POSITION, SIZE, Ledger
from tests.proof.signing import ORIGIN, key

KEYS = [key(1).verifier]
LEDGER = Ledger()
BUNDLE = LEDGER.bundle()


def test_a_proof_file_proves_its_batch() -> None:
    said: list[str] = []
    checked = check_bundle(BUNDLE, KEYS, ORIGIN, report=said.append)
    assert (checked.facts, checked.position, checked.checkpoint.size) == (FACTS, POSITION, SIZE)
    assert [sentence.split(" ")[0] for sentence in said] == ["the", "taken", "checkpoint", "the"]
    assert FACTS.batch_hash().hex() in said[0]
    assert "taken 2026-01-31T09:30:00.123456+00:00" in said[1]
    assert "at position 138" in said[3]


def test_it_has_the_form_of_a_tlog_proof() -> None:
    title, extra, index, *rest = BUNDLE.split("\n")
    assert (title, index) == ("c2sp.org/tlog-proof@v1", "index 137")
    document = json.loads(base64.b64decode(extra.removeprefix("extra ")))
    assert document["agent"] == "shop-agent"
    assert document["previous_hash"] == FACTS.previous_hash.hex()
    path_end = rest.index("")
    assert parse_path(path_text(Bundle.parse(BUNDLE).path)) == parse_path("\n".join(rest[:path_end]) + "\n")
    assert "\n".join(rest[path_end + 1 :]) == LEDGER.checkpoint()
    assert str(Bundle.parse(BUNDLE)) == BUNDLE


def test_the_batch_hash_is_that_of_the_wire() -> None:
    hashes = FACTS.section_hashes
    sealed = batch_seal(FACTS.agent, FACTS.epoch, FACTS.sequence, FACTS.schema, FACTS.previous_hash, hashes)
    assert FACTS.batch_hash() == sealed


def test_no_changed_byte_is_accepted() -> None:
    data = BUNDLE.encode()
    for at in range(len(data)):
        changed = (data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]).decode("utf-8", "surrogateescape")
        with pytest.raises(ProofError):
            check_bundle(changed, KEYS, ORIGIN)


@pytest.mark.parametrize(
    "change",
    [
        {"time_us": 0},
        {"agent": "shop-agent2"},
        {"epoch": 1},
        {"sequence": 8},
        {"schema": 2},
        {"previous_hash": bytes(32)},
        {"section_hashes": FACTS.section_hashes[::-1]},
        {"section_hashes": FACTS.section_hashes[1:]},
    ],
    ids=lambda change: next(iter(change)),
)
def test_no_other_fact_is_accepted(change: dict[str, Any]) -> None:
    forged = dataclasses.replace(Bundle.parse(BUNDLE), facts=dataclasses.replace(FACTS, **change))
    with pytest.raises(Refuted, match="leaf 137 in the tree of 300 leaves: the path leads to the root"):
        check_bundle(str(forged), KEYS, ORIGIN)


@pytest.mark.parametrize("index", [0, 136, 138, SIZE, SIZE + 137])
def test_no_other_index_is_accepted(index: int) -> None:
    with pytest.raises(Refuted, match=f"leaf {index} in the tree of 300 leaves"):
        check_bundle(str(dataclasses.replace(Bundle.parse(BUNDLE), index=index)), KEYS, ORIGIN)


@pytest.mark.parametrize("size", [POSITION, 256, 299])
def test_no_other_checkpoint_of_the_ledger_is_accepted(size: int) -> None:
    forged = dataclasses.replace(Bundle.parse(BUNDLE), checkpoint=LEDGER.checkpoint(size))
    with pytest.raises(Refuted):
        check_bundle(str(forged), KEYS, ORIGIN)
    check_bundle(LEDGER.bundle(size), KEYS, ORIGIN)


def test_only_known_keys_count() -> None:
    with pytest.raises(UnknownSigner):
        check_bundle(BUNDLE, [key(2).verifier], ORIGIN)
    check_bundle(LEDGER.bundle(keys=(key(1), key(2))), [key(2).verifier], ORIGIN)
    with pytest.raises(Refuted, match=r"not of 'ledger.example/other'"):
        check_bundle(BUNDLE, KEYS, "ledger.example/other")


@pytest.mark.parametrize("old", [1, 128, 256, 299, SIZE])
def test_an_older_checkpoint_is_the_beginning(old: int) -> None:
    said: list[str] = []
    check_bundle(BUNDLE, KEYS, ORIGIN, LEDGER.checkpoint(old), LEDGER.consistency(old), report=said.append)
    assert f"the older checkpoint at {old} records is the beginning of that tree" in said[-1]


@pytest.mark.parametrize("old", [21, 64, 137, 299])
def test_a_history_that_was_changed_is_found_by_an_older_checkpoint(old: int) -> None:
    forged = Ledger(forged=b"another record")
    check_bundle(forged.bundle(), KEYS, ORIGIN)
    for path in (forged.consistency(old), LEDGER.consistency(old)):
        with pytest.raises(Refuted, match=f"the tree of {old} leaves as the beginning of that of 300"):
            check_bundle(forged.bundle(), KEYS, ORIGIN, LEDGER.checkpoint(old), path)


def test_an_older_checkpoint_is_verified_as_well() -> None:
    with pytest.raises(UnknownSigner):
        check_bundle(BUNDLE, KEYS, ORIGIN, LEDGER.checkpoint(64, (key(2),)), LEDGER.consistency(64))
    with pytest.raises(Refuted, match="get a proof with a newer checkpoint"):
        check_bundle(LEDGER.bundle(200), KEYS, ORIGIN, LEDGER.checkpoint(201), [])


def with_extra(document: object) -> str:
    text = document if isinstance(document, str) else json.dumps(document)
    title, _, rest = BUNDLE.split("\n", 2)
    return f"{title}\nextra {base64.b64encode(text.encode()).decode()}\n{rest}"


DOCUMENT = json.loads(FACTS.to_json())


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        ("{", "are not JSON"),
        ("[" * 100_000, "are not JSON"),
        ([], "are not a JSON object of kind, time_us"),
        ({}, "are not a JSON object of kind, time_us"),
        (DOCUMENT | {"more": 1}, "are not a JSON object of kind, time_us"),
        (DOCUMENT | {"kind": 2}, "kind is not 1, a batch"),
        (DOCUMENT | {"sequence": "7"}, "sequence is not of the type int"),
        (DOCUMENT | {"sequence": True}, "sequence is not of the type int"),
        (DOCUMENT | {"sequence": 7.0}, "sequence is not of the type int"),
        (DOCUMENT | {"sequence": 1 << 63}, "these facts are of no batch"),
        (DOCUMENT | {"sequence": -1}, "these facts are of no batch"),
        (DOCUMENT | {"time_us": 1 << 63}, "these facts are of no batch"),
        (DOCUMENT | {"agent": ""}, "must be a name that can be printed"),
        (DOCUMENT | {"agent": "\x1b[2J"}, "must be a name that can be printed"),
        (DOCUMENT | {"agent": "\ud800"}, "must be a name that can be printed"),
        (DOCUMENT | {"agent": "a" * 65_536}, "these facts are of no batch"),
        (DOCUMENT | {"previous_hash": "00"}, "a hash has other than 32 bytes"),
        (DOCUMENT | {"previous_hash": FACTS.previous_hash.hex().upper()}, "previous_hash is not a hash"),
        (json.dumps(DOCUMENT, indent=1), "are not in the one form"),
        (FACTS.to_json().replace('"agent"', '"agent": "other-agent", "agent"'), "are not in the one form"),
        (DOCUMENT | {"section_hashes": [1]}, "section_hashes is not a hash"),
        (DOCUMENT | {"section_hashes": ["zz"]}, "section_hashes is not a hash"),
    ],
)
def test_extra_data_that_are_not_ours_say_why(document: object, reason: str) -> None:
    with pytest.raises(Malformed, match=reason):
        check_bundle(with_extra(document), KEYS, ORIGIN)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "does not begin with 'c2sp.org/tlog-proof@v1'"),
        (BUNDLE.replace("@v1", "@v2"), "does not begin with"),
        (BUNDLE.partition("\n\n")[0], "no empty line before its checkpoint"),
        (BUNDLE.replace("extra ", "Extra "), "lines 2 and 3"),
        (BUNDLE.replace("index 137", "index 0137"), "the index, is '0137'"),
        (BUNDLE.replace("index 137", "index 137\nAAAA"), "line 4 has 3 bytes"),
        (BUNDLE.replace("index 137\n", "index 137\n" + path_text([bytes(32)] * 60)), "more than 64"),
        (BUNDLE.replace("\n", "\r\n"), "does not begin with"),
        (BUNDLE + "x" * (1 << 21), "longer than"),
    ],
)
def test_what_is_no_proof_file_says_why(text: str, reason: str) -> None:
    with pytest.raises(Malformed, match=reason):
        check_bundle(text, KEYS, ORIGIN)


def test_a_path_is_lines_of_base64() -> None:
    path = LEDGER.consistency(64)
    assert parse_path(path_text(path)) == tuple(path)
    assert parse_path("") == ()
    for text in (path_text(path)[:-1], "AAAA\n", "\n", path_text(path).replace("=\n", "\n", 1)):
        with pytest.raises(Malformed):
            parse_path(text)


def test_facts_of_no_batch_are_not_taken() -> None:
    with pytest.raises(Malformed, match="a hash has other than 32 bytes"):
        dataclasses.replace(FACTS, section_hashes=(bytes(31),))


def test_a_time_beyond_the_calendar_is_told_in_microseconds() -> None:
    said: list[str] = []
    forged = dataclasses.replace(Bundle.parse(BUNDLE), facts=dataclasses.replace(FACTS, time_us=(1 << 63) - 1))
    with pytest.raises(Refuted):
        check_bundle(str(forged), KEYS, ORIGIN, report=said.append)
    assert "9223372036854775807 microseconds after 1970" in said[1]


def test_facts_are_read_as_they_were_written() -> None:
    assert BatchFacts.from_json(FACTS.to_json().encode()) == FACTS
