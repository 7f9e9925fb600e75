"""What is found of a spool from outside is what an agent would say, and nothing is changed; and a spool whose file is gone says so."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from agent.errors import SpoolUnusable
from agent.spool import Spool
from agent.spool.looking import looked

Break = Callable[[Path], object]


def opened(path: Path, agent: str = "edge-1") -> Spool:
    return Spool(path, agent=agent, bytes_max=1 << 30)


def made(path: Path, agent: str = "edge-1") -> Path:
    spool = opened(path, agent)
    spool.begin("fake/one", 1)
    spool.close()
    return path


def damage(path: Path) -> None:
    content = bytearray(made(path).read_bytes())
    content[4096:] = b"x" * len(content[4096:])
    path.write_bytes(content)


@pytest.mark.parametrize(
    "break_it",
    [
        damage,
        lambda path: path.write_text("no database" * 100),
        lambda path: made(path, "edge-2"),
        lambda path: path.mkdir(),
    ],
    ids=["damaged", "no database", "another agent's", "a folder"],
)
def test_what_an_agent_refuses_is_refused_in_the_same_words(tmp_path: Path, break_it: Break) -> None:
    break_it(tmp_path / "spool")
    with pytest.raises(SpoolUnusable) as found:
        looked(tmp_path / "spool", "edge-1")
    with pytest.raises(SpoolUnusable) as refused:
        opened(tmp_path / "spool")
    assert str(found.value) == str(refused.value)


def test_nothing_is_changed(tmp_path: Path) -> None:
    path = tmp_path / "a spool? 100% #1"
    assert looked(path, "edge-1") is None and not list(tmp_path.iterdir())
    path.touch()
    assert looked(path, "edge-1") == "is empty, and is begun anew"
    before = made(path).read_bytes()
    assert looked(path, "edge-1") == "is a spool of agent edge-1, and nobody has it open"
    assert path.read_bytes() == before
    assert {each.name for each in tmp_path.iterdir()} == {path.name, f"{path.name}.lock"}


def test_beside_an_agent_that_has_it_open(tmp_path: Path) -> None:
    """From another process, as it is: what this one has open would be let go of."""
    path = tmp_path / "spool"
    spool = opened(path)
    spool.begin("fake/one", 1)
    program = f"from pathlib import Path; from agent.spool.looking import looked; print(looked(Path({str(path)!r}), 'edge-1'))"
    for name in ("fake/two", "fake/three"):
        told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
        assert told.stdout == "is a spool of agent edge-1, and an agent has it open\n"
        spool.begin(name, 2)
    spool.close()


@pytest.mark.parametrize(
    "go",
    [
        lambda path: path.unlink(),
        lambda path: Path(f"{path}-wal").unlink(),
        lambda path: [path.rename(f"{path}.old"), path.touch()],
        lambda path: [each.unlink() for each in path.parent.iterdir()],
    ],
    ids=["deleted", "its journal deleted", "replaced", "all deleted"],
)
def test_a_file_that_is_gone_is_noticed(tmp_path: Path, go: Break) -> None:
    spool = opened(tmp_path / "spool")
    spool.begin("fake/one", 1)
    assert spool.problem is None
    go(tmp_path / "spool")
    assert spool.problem is not None and "was deleted or replaced" in spool.problem
    assert "wait until meterbook_agent_spool_batches is 0, and restart the agent" in spool.problem
    spool.close()
