"""The file of signing keys: made once, taken as Kubernetes mounts it, and mended or refused where others could get at it."""

from __future__ import annotations

import logging
import os
import stat
from pathlib import Path

import pytest

from ledger.proof.errors import KeyRefused
from ledger.proof.keyfile import KeyFile
from meterbook.proof.note import SigningKey

KEY = SigningKey.generate("ledger.example/book")


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def held(path: Path) -> list[str]:
    return [str(key.verifier) for key in KeyFile(path).read()]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    made = tmp_path / "keys" / "signing.key"
    KeyFile(made).create(KEY)
    return made


def test_a_file_is_made_once_and_for_its_owner_alone(path: Path) -> None:
    assert mode_of(path) == 0o600 and held(path) == [str(KEY.verifier)]
    before = path.read_bytes()
    with pytest.raises(KeyRefused, match="is there already; name another file, or move that one away"):
        KeyFile(path).create(SigningKey.generate("ledger.example/other"))
    assert path.read_bytes() == before
    assert [each.name for each in path.parent.iterdir()] == ["signing.key"], "nothing is left beside it"


def test_a_link_in_its_place_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(KeyRefused, match="is there already"):
        KeyFile(tmp_path / "link").create(KEY)
    assert not (tmp_path / "elsewhere").exists()


def test_it_is_taken_as_a_secret_is_mounted(path: Path, tmp_path: Path) -> None:
    """``signing.key -> ..data/signing.key``, ``..data -> ..2026_01``; the group of the pod may read."""
    mounted = tmp_path / "proof"
    (mounted / "..2026_01").mkdir(parents=True)
    path.rename(mounted / "..2026_01" / "signing.key")
    (mounted / "..data").symlink_to("..2026_01")
    (mounted / "signing.key").symlink_to("..data/signing.key")
    (mounted / "signing.key").chmod(0o440)
    mounted.chmod(0o2770)
    assert held(mounted / "signing.key") == [str(KEY.verifier)]
    assert mode_of(mounted / "signing.key") == 0o440, "what is well is left as it is"


@pytest.mark.parametrize("mode", [0o660, 0o620, 0o670])
def test_what_the_group_of_a_volume_was_given_is_taken_back(
    path: Path, mode: int, caplog: pytest.LogCaptureFixture
) -> None:
    path.parent.chmod(0o2770)
    path.chmod(mode)
    with caplog.at_level(logging.WARNING):
        assert held(path) == [str(KEY.verifier)]
        assert held(path) == [str(KEY.verifier)]
    assert mode_of(path) == 0o600
    (record,) = caplog.records
    assert f"had the mode {mode:04o}" in record.getMessage()


@pytest.mark.parametrize("mode", [0o604, 0o644, 0o664, 0o666])
def test_what_others_could_read_is_refused_and_left(path: Path, mode: int) -> None:
    path.chmod(mode)
    with pytest.raises(KeyRefused, match=rf"has the mode {mode:04o}, .*chmod 600 .*defaultMode: 0440"):
        KeyFile(path).read()
    assert mode_of(path) == mode


def test_what_belongs_to_somebody_else_is_not_mended(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path.chmod(0o660)
    stranger = os.geteuid() + 1
    monkeypatch.setattr("os.geteuid", lambda: stranger)
    with pytest.raises(KeyRefused, match="has the mode 0660"):
        KeyFile(path).read()
    assert mode_of(path) == 0o660


def test_where_nothing_can_be_changed_it_is_refused(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path.chmod(0o660)

    def read_only(descriptor: int, mode: int) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr("os.fchmod", read_only)
    with pytest.raises(KeyRefused, match="has the mode 0660"):
        KeyFile(path).read()


def test_a_file_is_replaced_whole(path: Path) -> None:
    second = SigningKey.generate("ledger.example/book")
    KeyFile(path).write([KEY, second])
    assert held(path) == [str(KEY.verifier), str(second.verifier)] and mode_of(path) == 0o600
    assert [each.name for each in path.parent.iterdir()] == ["signing.key"]
