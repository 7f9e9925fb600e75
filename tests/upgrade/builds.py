"""Builds of Meterbook that run side by side: today's, and one of an earlier commit that is taken out of git.

An earlier build has a folder in a cache of its own, with its source and a Python environment that sees nothing of today's source.
Where all that it was locked to is locked today as well, at the same versions, the environment borrows what is installed here:
editable installs are not followed from there. Otherwise everything is installed from its own lock, which takes the network once.
"""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import tomllib
import venv
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

ROOT = Path(__file__).parents[2]
#: What an earlier build wrote; see ``record``.
GOLDEN = ROOT / "tests" / "data" / "upgrade"
_LOCK = "requirements.lock"
_PIN = re.compile(r"^([a-z0-9][a-z0-9._-]*)==(\S+)", re.MULTILINE)
_COMMAND = "import sys; from {module} import {function} as run; sys.argv[0] = 'meterbook'; sys.exit(run())"
#: Whoever runs the harness may say where modules are; a build knows it by itself.
ENVIRONMENT = MappingProxyType({"PYTHONPATH": "", "PYTHONSAFEPATH": "1"})


class BuildFailed(Exception):
    """A command of a build failed; the message has what it said."""


class NoSuchBuild(Exception):
    """The earlier build cannot be had; the message says why."""


@dataclass(frozen=True)
class Build:
    """One version of the software, and the interpreter that runs it and nothing else."""

    name: str
    python: Path
    source: Path
    is_release: bool = True

    def meterbook(self, *arguments: str) -> list[str]:
        """The command line of ``meterbook`` as this build has it."""
        project = tomllib.loads((self.source / "pyproject.toml").read_text(encoding="utf-8"))["project"]
        module, _, function = project["scripts"]["meterbook"].partition(":")
        return [str(self.python), "-c", _COMMAND.format(module=module, function=function), *arguments]

    def run(self, *arguments: str) -> str:
        """What a command prints. Raises BuildFailed where it fails."""
        return _said(self.meterbook(*arguments))


def today() -> Build:
    """What is in this folder now."""
    return Build("today", Path(sys.executable), ROOT)


def default_revision() -> str | None:
    """The newest release; before there is one, the commit that the golden set was recorded with, where that is known; else None."""
    tag = _git("describe", "--tags", "--match", "v[0-9]*", "--abbrev=0", "HEAD^")
    if tag:
        return tag
    recorded = json.loads((GOLDEN / "answers.json").read_text(encoding="utf-8"))["commit"]
    return recorded if _git("rev-parse", "--quiet", "--verify", f"{recorded}^{{commit}}") else None


def earlier(revision: str) -> Build:
    """The build of a commit, made once and kept. Raises NoSuchBuild."""
    commit = _git("rev-parse", "--quiet", "--verify", f"{revision}^{{commit}}")
    if not commit:
        raise NoSuchBuild(f"there is no commit {revision} here")
    folder = _cache() / commit[:16]
    source = folder / "source"
    if not (folder / "ready").exists():
        shutil.rmtree(folder, ignore_errors=True)
        source.mkdir(parents=True)
        archive = subprocess.run(["git", "archive", commit], cwd=ROOT, capture_output=True, check=True).stdout
        with tarfile.open(fileobj=io.BytesIO(archive)) as packed:
            packed.extractall(source, filter="data")
        _environment(folder / "venv", source)
        (folder / "ready").touch()
    is_release = bool(_git("tag", "--list", "v[0-9]*", "--points-at", commit))
    return Build(commit[:10], folder / "venv" / "bin" / "python", source, is_release)


def pins(lock: str) -> dict[str, str]:
    """Versions by names."""
    return dict(_PIN.findall(lock))


def _environment(place: Path, source: Path) -> None:
    """Make an environment in which that source is what is imported."""
    wanted = pins((source / _LOCK).read_text(encoding="utf-8"))
    borrows = wanted.items() <= pins((ROOT / _LOCK).read_text(encoding="utf-8")).items()
    venv.create(place, with_pip=not borrows, symlinks=True)
    python = place / "bin" / "python"
    paths = [str(source), str(source / "proto")]
    if borrows:
        # What a .pth file names is searched, but .pth files are not looked for there: today's source stays out.
        paths.append(sysconfig.get_path("purelib"))
    else:
        print(f"installing the {len(wanted)} packages that {source.parent.name} was locked to", flush=True)
        _said([str(python), "-m", "pip", "install", "-q", "--require-hashes", "-r", str(source / _LOCK)])
    site = Path(_said([str(python), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]).strip())
    (site / "earlier.pth").write_text("\n".join(paths) + "\n")
    for module in ("ledger", "agent", "meterbook.command"):
        found = Path(_said([str(python), "-c", f"import {module} as m; print(m.__file__)"]).strip())
        if not found.is_relative_to(source):
            raise NoSuchBuild(f"{module} would be taken from {found}, not from {source}")


def _cache() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "meterbook" / "upgrade"


def _said(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, **ENVIRONMENT})
    if done.returncode != 0:
        raise BuildFailed(f"{' '.join(command)} exited with {done.returncode}: {done.stderr}{done.stdout}")
    return done.stdout


def _git(*arguments: str) -> str:
    """What git says; nothing where it fails, or is not there."""
    try:
        done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    except OSError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
