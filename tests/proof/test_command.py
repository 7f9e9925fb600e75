"""An auditor runs the command, also from a copy of the folder alone, and gets sentences and an exit code."""

from __future__ import annotations

import ast
import io
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import cryptography
import pytest

from meterbook.proof import command
from meterbook.proof.bundle import Bundle, path_text
from meterbook.proof.command import main
from meterbook.proof.keys import Rotation, sign_rotation
from tests.proof.ledgers import FACTS, Ledger
from tests.proof.signing import ORIGIN, key

FOLDER = Path(command.__file__).parent
KEY = str(key(1).verifier)
LEDGER = Ledger()


@pytest.fixture
def proof(tmp_path: Path) -> Path:
    return written(tmp_path / "batch.tlog-proof", LEDGER.bundle())


def written(path: Path, text: str) -> Path:
    path.write_bytes(text.encode())
    return path


def run(*arguments: object) -> int:
    return main(["check", *(str(argument) for argument in arguments)])


def test_a_good_proof_is_told_line_by_line(proof: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(proof, "--key", KEY) == 0
    said = capsys.readouterr()
    assert [line[:3] for line in said.out.splitlines()[:-1]] == ["ok:"] * 4
    assert said.out.endswith("All of this holds.\n")
    assert not said.err


def test_a_false_proof_tells_what_holds_and_what_does_not(proof: Path, capsys: pytest.CaptureFixture[str]) -> None:
    written(proof, LEDGER.bundle().replace("index 137", "index 136"))
    assert run(proof, "--key", KEY) == 1
    said = capsys.readouterr()
    assert len(said.out.splitlines()) == 3
    assert "All of this holds" not in said.out
    assert said.err.startswith("FAILED: leaf 136 in the tree of 300 leaves: ")


def test_an_older_checkpoint_is_compared(tmp_path: Path, proof: Path, capsys: pytest.CaptureFixture[str]) -> None:
    older = written(tmp_path / "older", LEDGER.checkpoint(64))
    path = written(tmp_path / "path", path_text(LEDGER.consistency(64)))
    assert run(proof, "--key", KEY, "--older", older, "--consistency", path) == 0
    assert "the older checkpoint at 64 records is the beginning" in capsys.readouterr().out
    assert run(proof, "--key", KEY, "--older", older) == 1
    assert "the path is empty" in capsys.readouterr().err
    assert run(proof, "--key", KEY, "--consistency", path) == 1
    assert "name it with --older" in capsys.readouterr().err
    written(older, Ledger(forged=b"another record").checkpoint(64))
    assert run(proof, "--key", KEY, "--older", older, "--consistency", path) == 1
    assert "the path leads to the newer root" in capsys.readouterr().err


def test_the_origin_is_the_name_of_the_key_or_as_given(proof: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(proof, "--key", KEY, "--origin", ORIGIN) == 0
    assert run(proof, "--key", KEY, "--origin", "ledger.example/other") == 1
    assert "not of 'ledger.example/other'" in capsys.readouterr().err


def test_an_old_key_is_enough(tmp_path: Path, proof: Path, capsys: pytest.CaptureFixture[str]) -> None:
    written(proof, LEDGER.bundle(keys=(key(2),)))
    assert run(proof, "--key", KEY) == 1
    assert "FAILED: signed by ledger.example/book+" in capsys.readouterr().err
    handed_over = written(tmp_path / "rotation", sign_rotation(Rotation(ORIGIN, key(2).verifier), key(1)))
    assert run(proof, "--key", KEY, "--rotations", handed_over) == 0
    assert f"ok: the known keys hand over to {key(2).verifier.hint} from 0 records on" in capsys.readouterr().out
    assert run(proof, "--key", KEY, "--key", str(key(2).verifier)) == 0


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "does not begin with"),
        (b"\xff\xfe", "is not UTF-8 text"),
        (b"x" * (1 << 22), "bytes: it is no proof"),
        (b"\x1b[2J\n", r"\x1b[2J"),
    ],
)
def test_a_file_that_is_no_proof_is_a_sentence(
    proof: Path, capsys: pytest.CaptureFixture[str], content: bytes, reason: str
) -> None:
    proof.write_bytes(content)
    assert run(proof, "--key", KEY) == 1
    said = capsys.readouterr().err
    assert said.startswith("FAILED: ")
    assert reason in said
    assert said.count("\n") == 1
    assert "\x1b" not in said


def test_no_escape_sequence_reaches_the_terminal(proof: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """U+009B alone begins one, and the name of a key may have it."""
    written(proof, LEDGER.bundle(keys=(key(1, "ledger\x9b2J"),)))
    assert run(proof, "--key", KEY) == 1
    said = capsys.readouterr().err
    assert "signed by ledger\\x9b2J+" in said
    assert "\x9b" not in said


def test_a_name_that_the_terminal_cannot_show_is_told_in_ascii(proof: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    foreign = replace(Bundle.parse(LEDGER.bundle()), facts=replace(FACTS, agent="büro"))
    written(proof, str(foreign))
    terminal = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr("sys.stdout", terminal)
    assert run(proof, "--key", KEY) == 1
    terminal.seek(0)
    assert "of agent b\\xfcro, epoch" in terminal.read()


def test_what_cannot_be_read_is_a_sentence(tmp_path: Path, proof: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for missing in (tmp_path / "nothing", tmp_path):
        assert run(missing, "--key", KEY) == 1
        assert f"FAILED: {missing} cannot be read: " in capsys.readouterr().err
    assert run(proof, "--key", "no key") == 1
    assert "FAILED: the verifier key is not of the form" in capsys.readouterr().err


def test_a_command_that_is_not_understood_is_told(capsys: pytest.CaptureFixture[str], proof: Path) -> None:
    for arguments in ([], ["check", str(proof)], ["check", "--key", KEY], ["prove"]):
        with pytest.raises(SystemExit) as left:
            main(arguments)
        assert left.value.code == 2
        assert "usage: " in capsys.readouterr().err


def test_it_imports_nothing_but_python_and_cryptography() -> None:
    imported = set()
    for path in FOLDER.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                imported |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level:
                imported.add((node.module or "").partition(".")[0])
    assert imported - sys.stdlib_module_names == {"cryptography"}


@pytest.fixture
def alone(tmp_path: Path, proof: Path) -> Path:
    """A folder that has a copy of the library under another name, a proof, and the one package that it needs."""
    shutil.copytree(FOLDER, tmp_path / "proof", ignore=shutil.ignore_patterns("__pycache__"))
    site = tmp_path / "site"
    site.mkdir()
    installed = Path(cryptography.__file__).parents[1]
    for package in ("cryptography", "cffi", "_cffi_backend*"):
        for found in installed.glob(package):
            (site / found.name).symlink_to(found)
    return proof.parent


@pytest.mark.parametrize("way", [["-m", "proof"], ["proof"], ["proof/__main__.py"]], ids=" ".join)
def test_a_copy_of_the_folder_is_enough(alone: Path, way: list[str]) -> None:
    environment = {"PYTHONPATH": str(alone / "site"), "PYTHONIOENCODING": "ascii", "PATH": os.environ["PATH"]}

    def python(*arguments: str) -> subprocess.CompletedProcess[str]:
        # -S leaves out site-packages, and with them this project.
        return subprocess.run(
            [sys.executable, "-S", "-W", "error", *arguments],
            cwd=alone,
            env=environment,
            capture_output=True,
            text=True,
        )

    assert "No module named 'meterbook'" in python("-c", "import meterbook").stderr
    good = python(*way, "check", "batch.tlog-proof", "--key", KEY)
    assert (good.returncode, good.stderr) == (0, "")
    assert good.stdout.endswith("All of this holds.\n")
    bad = python(*way, "check", "batch.tlog-proof", "--key", str(key(2).verifier))
    assert bad.returncode == 1
    assert bad.stderr.startswith("FAILED: signed by ")


def test_it_runs_as_a_part_of_meterbook(proof: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "meterbook.proof", "check", str(proof), "--key", KEY], capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")
