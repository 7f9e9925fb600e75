"""Every seed of the fuzzer, and everything that it ever found, is taken or refused as it should be."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench import _corpus
from bench._targets import TARGETS, stored
from bench.fuzz import CORPUS, NAMES

FILES = sorted(path for path in CORPUS.glob("*/*") if path.is_file())


def test_every_target_has_seeds() -> None:
    assert set(NAMES) == set(TARGETS) == set(_corpus.SEEDS) == {path.name for path in CORPUS.iterdir()}
    assert all(len([file for file in FILES if file.parent.name == name]) >= 10 for name in NAMES)


@pytest.mark.parametrize("file", FILES, ids=lambda file: f"{file.parent.name}-{file.name}")
def test_the_bytes_of_a_file(file: Path) -> None:
    TARGETS[file.parent.name](file.read_bytes())


@pytest.mark.parametrize("name", ["groups", "batches", "later", "definitions"])
def test_the_segments_among_the_seeds_are_whole(name: str) -> None:
    """A seed that is refused at its first byte leads a fuzzer nowhere."""
    for file in (CORPUS / "segment" / name, CORPUS / "segment" / f"{name}-mended"):
        assert stored(file.read_bytes())
