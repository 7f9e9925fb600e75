"""The configuration: defaults, and one sentence for each thing that is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from ledger.journal.place import FilePlace
from ledger.server.config import ConfigError, LedgerConfig, load

NO_PLACE = (
    "is neither file:PATH, such as file:/var/lib/meterbook, nor s3://BUCKET/PREFIX and postgresql://USER@HOST/DATABASE with "
    "' + ' between them"
)


def fault(folder: Path, text: str | bytes, **changes: str) -> str:
    """What is said of a file, without its name."""
    file = folder / "ledger.yaml"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ConfigError) as refused:
        load(file, changes)
    said = str(refused.value)
    assert said.startswith(f"{file}: ")
    return said.replace(f"{file}: ", "")


def test_everything_has_a_default() -> None:
    config = load(None, {})
    assert config == LedgerConfig()
    assert (config.place, config.listen, config.http) == (
        FilePlace(Path("./meterbook-data")),
        "127.0.0.1:9460",
        "127.0.0.1:9461",
    )


def test_options_win_over_the_file(tmp_path: Path) -> None:
    file = tmp_path / "ledger.yaml"
    file.write_text("store: file:/a\nlisten: 127.0.0.1:1\nmetering: {every_s: 5}\n")
    config = load(file, {"store": "file:/b%20c"})
    assert (config.place, config.listen, config.metering.every_s) == (FilePlace(Path("/b c")), "127.0.0.1:1", 5)
    file.write_text("")
    assert load(file, {}) == LedgerConfig()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("lisen: 127.0.0.1:1", "lisen is not a key; did you mean listen?"),
        ("metering: {lateness: 3}", "metering.lateness is not a key; did you mean lateness_s?"),
        ("xyzzy: 1", "xyzzy is not a key"),
        ("metering: {every_s: soon}", "metering.every_s: Input should be a valid number, unable to parse string as a number"),
        ("queries: {runing_max: 3}", "queries.runing_max is not a key; did you mean running_max?"),
        ("queries: {timeout_s: 0}", "queries.timeout_s: Input should be greater than or equal to 0.1"),
        ("metering: {every_s: 0}", "metering.every_s: Input should be greater than or equal to 1"),
        ("listen: localhost", "listen: address 'localhost' is not host:port, such as 127.0.0.1:9464"),
        ("http: 127.0.0.1:99999", "http: address '127.0.0.1:99999' is not host:port, such as 127.0.0.1:9464"),
        ("store: /var/lib", f"store: '/var/lib' {NO_PLACE}"),
        ("store: s3://bucket", f"store: 's3://bucket' {NO_PLACE}"),
        (
            "store: s3://bucket/book + postgresql://u:secret@h/db",
            "proof.key_file is missing: replicas that share a store sign with one key, so say where it is",
        ),
        (
            "store: [s3://bucket/book, 'postgresql://u:secret@h']",
            "store: postgresql: the address names no database; say postgresql://USER@HOST/DATABASE",
        ),
        ("listen: 0.0.0.0:9460", "listen '0.0.0.0:9460' can be reached by others: give tls, or say insecure: true"),
        ("listen: '[::]:9460'", "listen '[::]:9460' can be reached by others: give tls, or say insecure: true"),
        ("listen: ledger.example:9460", "listen 'ledger.example:9460' can be reached by others: give tls, or say insecure: true"),
        ("tls: {cert_file: a}", "tls.key_file: Field required"),
        ("[a]", "the configuration is a mapping of names to values, not a list"),
        ("a: [", "line 1, column 5: expected the node content"),
        ("listen: a:1\nlisten: b:1", "line 2, column 1: the key 'listen' is given twice"),
        (b"store: \xe9", "is not UTF-8 text at byte 7"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told(tmp_path: Path, text: str | bytes, message: str) -> None:
    assert fault(tmp_path, text).startswith(message)


def test_all_faults_at_once(tmp_path: Path) -> None:
    assert fault(tmp_path, "lisen: x\nhttp: y\n").splitlines() == [
        "http: address 'y' is not host:port, such as 127.0.0.1:9464",
        "lisen is not a key; did you mean listen?",
    ]


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none.yaml: cannot be read: No such file or directory"):
        load(tmp_path / "none.yaml", {})


@pytest.mark.parametrize("listen", ["127.0.0.1:1", "127.9.9.9:1", "[::1]:1", "localhost:1"])
def test_plain_text_on_this_machine_is_allowed(listen: str) -> None:
    assert load(None, {"listen": listen}).listen == listen


def test_plain_text_for_others_has_to_be_said() -> None:
    assert load(None, {"listen": "0.0.0.0:1", "insecure": True}).insecure
