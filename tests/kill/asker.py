"""Somebody who uses the command line all the while. What is down may be said in one sentence, and in no other way.

A question may fail only if a ledger, or what it needs, was killed while it was asked, or did not work when it was.
"""

from __future__ import annotations

import json
import re
import subprocess
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

from examples.demo.processes import meterbook
from tests.kill.programs import Failed
from tests.kill.world import World

PAUSE_S = (0.2, 3.0)
QUESTIONS = (("usage",), ("usage", "--window", "hour"), ("coverage",), ("agents",), ("book",), ("verify",))
_SENTENCE = re.compile(r"Error: \S[^\n]+\n")


def ask(world: World, *arguments: str, port: int = 0) -> Any:
    """The JSON answer of a command. Raises Failed."""
    done = _run(*arguments, "--json", "--ledger", f"127.0.0.1:{port or world.port}")
    if done.returncode != 0:
        raise Failed(f"meterbook {' '.join(arguments)} exited with {done.returncode}: {done.stderr}{done.stdout}")
    return json.loads(done.stdout)


def back_up(book: Path, target: Path) -> list[str]:
    """The command that backs a book up, or brings a backup up to date."""
    return ["ledger", "backup", "--store", str(book), "--to", str(target), "--with-keys"]


class Asker:
    """``asked`` and ``refused`` count by command; ``faults`` are answers that nobody should get."""

    def __init__(self, world: World, random: Random, struck_s: Callable[[], float]) -> None:
        """``struck_s`` gives when a ledger or what it needs was last killed, or cut off."""
        self.asked: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()
        self.faults: list[str] = []
        self._world, self._random, self._struck_s = world, random, struck_s
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._ask_on, name="asker", daemon=True)
        at = ["--ledger", f"127.0.0.1:{world.port}"]
        self._commands = [[*question, *at] for question in QUESTIONS]
        if world.book is not None:
            self._commands += [back_up(world.book, world.directory / "backup")] * 2

    def start(self) -> None:
        """Begin to ask."""
        self._thread.start()

    def stop(self) -> None:
        """Wait for the last answer."""
        self._stopping.set()
        self._thread.join()

    def _ask_on(self) -> None:
        while not self._stopping.wait(self._random.uniform(*PAUSE_S)):
            self.ask(self._random.choice(self._commands))

    def ask(self, command: list[str]) -> None:
        """Run a command of ``meterbook``, and judge what it says."""
        name = " ".join(command[:2] if command[0] == "ledger" else command[:1])
        struck_s = self._struck_s()
        worked = all(program.works() for program in [*self._world.services, *self._world.ledgers])
        done = _run(*command)
        self.asked[name] += 1
        if done.returncode == 0:
            return
        self.refused[name] += 1
        said = f"meterbook {' '.join(command)} exited with {done.returncode} and said: {done.stderr}{done.stdout}"
        if done.returncode != 1 or not _SENTENCE.fullmatch(done.stderr):
            self.faults.append(f"no single sentence: {said}")
        elif worked and struck_s == self._struck_s():
            self.faults.append(f"failed while nothing was down: {said}")


def _run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(meterbook(*arguments), capture_output=True, text=True, check=False)
