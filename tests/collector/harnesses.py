"""One harness per kind of collector: how to set up a source, how to break it, how to see what was written to it.

A new kind adds a function here; the contract suite fails until it does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.fakes.http_target import fake_target, page


@dataclass(frozen=True)
class Source:
    """A source that shows something. ``evidence`` changes when somebody writes to it."""

    settings: dict[str, Any]
    break_it: Callable[[], None]
    evidence: Callable[[], object]
    #: Metrics whose values are measured anew at each collection.
    volatile: frozenset[str] = field(default_factory=frozenset)


@contextmanager
def prometheus(folder: Path) -> Iterator[Source]:
    with fake_target() as target:
        target.answer = page(b"# TYPE jobs_total counter\njobs_total 3\nqueue_depth 7\nbad NaN\n")
        yield Source(
            settings={"job": "shop", "targets": [target.address]},
            break_it=target.stop,
            evidence=lambda: [method for method, _, _ in target.requests if method not in ("GET", "HEAD")],
            volatile=frozenset({"scrape_duration_seconds"}),
        )


@contextmanager
def logfile(folder: Path) -> Iterator[Source]:
    log = folder / "usage.log"
    line = '{"id": "%d", "source": "/gateway", "type": "request", "time": "2026-01-01T00:00:0%dZ"}\n'
    log.write_text("".join(line % (number, number) for number in range(3)) + "not JSON\n")

    def break_it() -> None:
        log.unlink()
        log.mkdir()

    yield Source(
        settings={"path": str(log)},
        break_it=break_it,
        evidence=lambda: sorted(
            (path.name, path.stat().st_mtime_ns, path.read_bytes() if path.is_file() else b"")
            for path in folder.iterdir()
        ),
    )


HARNESSES: dict[str, Callable[[Path], AbstractContextManager[Source]]] = {
    "prometheus": prometheus,
    "logfile": logfile,
}
