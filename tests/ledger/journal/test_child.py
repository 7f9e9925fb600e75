"""A child answers what it is asked, is found out when it cannot, and never outlives its parent."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ledger.journal.child import Child, ChildFailed

PATIENCE_S = 60.0
ECHO = """
import sys
from ledger.journal.child import serve

def answers(message):
    if message == b"fail":
        sys.exit(7)
    return [message, sys.argv[2].encode()] if message else []

serve(int(sys.argv[1]), answers)
"""
PARENT = """
import sys, time
from ledger.journal.child import Child
child = Child("echo", "x")
while not child.is_ready:
    time.sleep(0.01)
print(child._process.pid, flush=True)
time.sleep(600)
"""


@pytest.fixture
def echo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A module that is a child's."""
    (tmp_path / "echo.py").write_text(ECHO)
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")
    return "echo"


@pytest.fixture
def child(echo: str) -> Iterator[Child]:
    child = Child(echo, "told")
    ends_s = time.monotonic() + PATIENCE_S
    while not child.is_ready:
        assert time.monotonic() < ends_s, "the child did not get ready"
        time.sleep(0.01)
    yield child
    child.close()


def test_each_request_has_its_answers_in_order(child: Child) -> None:
    child.tell(b"")
    for message in (b"one", b"x" * (5 << 20), b"three"):
        child.tell(message)
        assert child.answer(PATIENCE_S) == message
        assert child.answer(PATIENCE_S) == b"told"


def test_who_asks_ahead_waits_for_no_answer_to_be_read(child: Child) -> None:
    """Each side has more to say than the socket holds."""
    requests = [bytes([number]) * (5 << 20) for number in range(1, 4)]
    for request in requests:
        child.tell(request)
    for request in requests:
        assert child.answer(PATIENCE_S) == request
        assert child.answer(PATIENCE_S) == b"told"


def test_one_that_ends_is_found_out(child: Child) -> None:
    child.tell(b"fail")
    with pytest.raises(ChildFailed, match="it has ended"):
        child.answer(PATIENCE_S)
    with pytest.raises(ChildFailed, match="it does not listen"):
        child.tell(b"one")


def test_one_that_hangs_is_found_out(child: Child) -> None:
    os.kill(child._process.pid, signal.SIGSTOP)
    child.tell(b"one")
    with pytest.raises(ChildFailed, match=r"no answer within 0\.1 s"):
        child.answer(0.1)
    child.close()
    assert child._process.poll() == -signal.SIGKILL
    child.close()


def test_an_interrupt_from_the_keyboard_is_not_for_the_child(child: Child) -> None:
    """It goes to the whole group of the ledger."""
    assert os.getpgid(child._process.pid) != os.getpgid(0)


def test_one_that_stands_still_in_the_middle_of_a_message_is_found_out(
    echo: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ledger.journal.child._STANDSTILL_S", 1)
    child = Child(echo, "told")
    os.kill(child._process.pid, signal.SIGSTOP)
    with pytest.raises(ChildFailed, match="it does not listen"):
        child.tell(bytes(50 << 20))
    child.close()


def test_whoever_waits_finds_out_that_it_was_killed(child: Child) -> None:
    os.kill(child._process.pid, signal.SIGSTOP)
    killing = threading.Timer(0.1, child.kill)
    killing.start()
    with pytest.raises(ChildFailed, match="with exit code -9"):
        child.answer(PATIENCE_S)
    killing.join()


@pytest.mark.usefixtures("echo")
def test_it_ends_with_its_parent_however_that_ends() -> None:
    parent = subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    os.kill(pid, 0)
    parent.kill()
    parent.wait()
    parent.stdout.close()
    ends_s = time.monotonic() + PATIENCE_S
    while is_running(pid):
        assert time.monotonic() < ends_s, "the child outlived its parent"
        time.sleep(0.01)


def test_one_that_cannot_be_begun_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ledger.journal.child.sys.executable", "/nowhere/python")
    with pytest.raises(OSError, match="nowhere"):
        Child("echo")


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False
