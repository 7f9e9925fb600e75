"""What the tests of the agent share: the fake kind of source, a configuration file, a ledger, and waiting."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from agent.spool import Spool
from collector import registry
from tests.fakes.intake import FakeLedger

WAIT_S = 60.0


@pytest.fixture(autouse=True)
def _fake_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(registry._PLUGINS, "fake", "tests.fakes.source")


@pytest.fixture
def eventually() -> Callable[[Callable[[], bool]], None]:
    """Waits, not for ever, until something holds."""

    def wait(holds: Callable[[], bool]) -> None:
        ends_s = time.monotonic() + WAIT_S
        while not holds():
            assert time.monotonic() < ends_s, "it never came true"
            time.sleep(0.01)

    return wait


@pytest.fixture
def config_file(tmp_path: Path) -> Callable[[str], Path]:
    """Writes a configuration: the smallest valid one, with the given lines in place of its sources."""

    def write(sources: str = "sources:\n  - kind: fake\n", *, head: str = "agent: edge-1\n") -> Path:
        path = tmp_path / "agent.yaml"
        rest = (
            f"ledger:\n  endpoint: 127.0.0.1:1\nspool:\n  path: {tmp_path}/agent.spool\nhttp:\n  listen: 127.0.0.1:0\n"
        )
        path.write_text(head + rest + sources, encoding="utf-8")
        return path

    return write


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    made = Spool(tmp_path / "agent.spool", agent="edge-1", bytes_max=1 << 30)
    yield made
    made.close()


@pytest.fixture
def ledger() -> Iterator[FakeLedger]:
    made = FakeLedger()
    made.start()
    yield made
    made.stop()
    assert made.intake.faults == []
