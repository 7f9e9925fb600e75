"""The certificate: taken over from its files while the ledger serves, and never given up for a worse one."""

from __future__ import annotations

import logging
import os
import shutil
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import pytest
from cryptography import x509

from ledger.server import tls as tls_module
from ledger.server.config import Tls
from ledger.server.tls import Certificates, Unusable
from tests.fakes.certificates import Authority, Pair
from tests.ledger.guarded import bearer, guarded, opened


@pytest.fixture(autouse=True)
def _looks_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tls_module, "LOOK_EVERY_S", 0.0)


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path / "authority")


@pytest.fixture
def files(authority: Authority, tmp_path: Path) -> tuple[Pair, Tls]:
    """A pair as deployed, and how the configuration names it."""
    issued = authority.issue("first")
    deployed = Pair(tmp_path / "tls.crt", tmp_path / "tls.key")
    replace(deployed, issued)
    return deployed, Tls(cert_file=deployed.cert_file, key_file=deployed.key_file)


def replace(deployed: Pair, by: Pair) -> None:
    """As an orchestrator does it: new files under the old names."""
    for source, target in ((by.cert_file, deployed.cert_file), (by.key_file, deployed.key_file)):
        fresh = target.with_suffix(".fresh")
        shutil.copy(source, fresh)
        fresh.rename(target)


def shown(address: str) -> int:
    """Serial number of the certificate that a server shows just now."""
    host, _, port = address.rpartition(":")
    pem = ssl.get_server_certificate((host, int(port)))
    return x509.load_pem_x509_certificate(pem.encode()).serial_number


def serial(pair: Pair) -> int:
    return x509.load_pem_x509_certificate(pair.cert).serial_number


def test_new_connections_get_the_new_certificate_and_old_ones_stay(tmp_path: Path) -> None:
    with guarded(tmp_path) as ledger:
        usage = "/meterbook.ledger.v1.Query/Usage"
        call = ledger.channel.unary_unary(usage, lambda _: b"", lambda data: data)
        call(None, metadata=bearer(ledger.admin))
        deployed = Pair(tmp_path / "tls" / "ledger.crt", tmp_path / "tls" / "ledger.key")
        first = serial(deployed)
        assert shown(ledger.address) == first
        seen = {first}
        for number in range(3):
            renewed = ledger.authority.issue("ledger", valid_days=number + 1, file="renewed")
            replace(deployed, renewed)
            assert shown(ledger.address) == serial(renewed)
            seen.add(serial(renewed))
            ends = x509.load_pem_x509_certificate(renewed.cert).not_valid_after_utc.timestamp()
            assert ledger.metric("certificate_not_after_seconds") == ends
            with opened(ledger.address, ledger.authority) as channel:
                channel.unary_unary(usage, lambda _: b"", lambda data: data)(None, metadata=bearer(ledger.admin))
        call(None, metadata=bearer(ledger.admin))
        assert len(seen) == 4 and ledger.metric("certificate_failures") == 0


def test_a_new_authority_of_clients_is_taken_over(tmp_path: Path) -> None:
    before, after = Authority(tmp_path / "before"), Authority(tmp_path / "after")
    (tmp_path / "ledger").mkdir()
    with guarded(tmp_path / "ledger", before) as ledger:

        def works(client: Pair) -> bool:
            with opened(ledger.address, ledger.authority, client) as channel:
                call = channel.unary_unary("/meterbook.ledger.v1.Query/Usage", lambda _: b"", lambda data: data)
                try:
                    call(None, metadata=bearer(ledger.admin))
                except grpc.RpcError:
                    return False
                return True

        old, new = before.issue("a"), after.issue("b")
        assert works(old) and not works(new)
        shutil.copy(after.file, tmp_path / "fresh")
        (tmp_path / "fresh").rename(before.file)
        assert works(new) and not works(old)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda pair, other: pair.cert_file.write_bytes(pair.cert[: len(pair.cert) // 2]),
        lambda pair, other: pair.key_file.write_bytes(b""),
        lambda pair, other: pair.cert_file.write_bytes(other.cert),
        lambda pair, other: pair.key_file.write_bytes(other.key),
        lambda pair, other: pair.key_file.unlink(),
        lambda pair, other: pair.cert_file.write_bytes(
            b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
        ),
    ],
)
def test_a_pair_that_does_not_fit_leaves_the_one_before(
    files: tuple[Pair, Tls],
    authority: Authority,
    caplog: pytest.LogCaptureFixture,
    spoil: Callable[[Pair, Pair], Any],
) -> None:
    deployed, tls = files
    certificates, other = Certificates(tls), authority.issue("other")
    before = certificates.current
    spoil(deployed, other)
    with caplog.at_level(logging.INFO):
        assert certificates._fetch() is None
        assert certificates._fetch() is None
    assert certificates.current is before
    assert certificates.failures == 1
    assert len(caplog.records) == 1 and "the certificate stays the one before" in caplog.text
    assert "PRIVATE" not in caplog.text
    replace(deployed, other)
    assert certificates._fetch() is not None
    assert certificates.current.chain == other.cert
    assert certificates._fetch() is None


def test_a_certificate_that_has_ended_is_warned_of(
    files: tuple[Pair, Tls], authority: Authority, caplog: pytest.LogCaptureFixture
) -> None:
    deployed, tls = files
    certificates, old = Certificates(tls), authority.issue("old", valid_days=-1)
    replace(deployed, old)
    certificates.look()
    assert certificates.current.chain == old.cert
    (record,) = (each for each in caplog.records if each.levelno == logging.WARNING)
    assert record.message.startswith(f"the certificate in {deployed.cert_file} ended at 20")
    caplog.clear()
    Certificates(tls)
    assert "whoever checks it does not connect: renew it" in caplog.text
    caplog.clear()
    replace(deployed, authority.issue("second"))
    certificates.look()
    assert "ended" not in caplog.text


def test_half_of_a_change_is_waited_out(files: tuple[Pair, Tls], authority: Authority) -> None:
    deployed, tls = files
    certificates, other = Certificates(tls), authority.issue("other")
    deployed.cert_file.write_bytes(other.cert)
    certificates.look()
    assert certificates.failures == 1
    deployed.key_file.write_bytes(other.key)
    certificates.look()
    assert certificates.current.chain == other.cert
    assert repr(other.key)[30:60] not in repr(certificates.current)


def test_files_are_looked_at_once_a_second(
    files: tuple[Pair, Tls], authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    deployed, tls = files
    monkeypatch.setattr(tls_module, "LOOK_EVERY_S", 1e9)
    certificates = Certificates(tls)
    replace(deployed, authority.issue("other"))
    assert certificates._fetch() is None
    monkeypatch.setattr(tls_module, "LOOK_EVERY_S", 0.0)
    assert certificates._fetch() is not None


def test_a_change_within_the_clocks_tick_is_seen_by_its_inode(files: tuple[Pair, Tls], authority: Authority) -> None:
    deployed, tls = files
    certificates, other = Certificates(tls), authority.issue("other")
    stamps = [path.stat().st_mtime_ns for path in (deployed.cert_file, deployed.key_file)]
    replace(deployed, other)
    for path, stamp in zip((deployed.cert_file, deployed.key_file), stamps, strict=True):
        os.utime(path, ns=(stamp, stamp))
    certificates.look()
    assert certificates.current.chain == other.cert


def test_what_cannot_be_used_to_begin_with(files: tuple[Pair, Tls], tmp_path: Path) -> None:
    deployed, tls = files
    (tmp_path / "ca.pem").write_text("no certificate")
    with pytest.raises(Unusable, match=r"ca\.pem holds no PEM certificate"):
        Certificates(tls.model_copy(update={"client_ca_file": tmp_path / "ca.pem"}))
    with pytest.raises(Unusable, match=r"none\.pem cannot be read \(No such file"):
        Certificates(tls.model_copy(update={"client_ca_file": tmp_path / "none.pem"}))
    deployed.key_file.write_bytes(deployed.cert)
    with pytest.raises(Unusable, match="are not a certificate and its unencrypted key"):
        Certificates(tls)
