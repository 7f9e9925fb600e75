"""Certificates: whether a chain can be read, from when to when it holds, and that its key is its own."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from meterbook.doctor.findings import Finding, failure, ok, warning

#: How long before its end a certificate should have been renewed.
SOON = timedelta(days=14)


def chain(name: str, path: Path, now: datetime | None = None) -> Iterator[Finding]:
    """The certificates of a PEM file, that the setting ``name`` names."""
    try:
        found = x509.load_pem_x509_certificates(path.read_bytes())
    except OSError as error:
        yield failure(
            "certificates", f"{name} {path} cannot be read: {error.strerror or error}", "put the file there, readable"
        )
        return
    except ValueError:
        yield failure(
            "certificates", f"{name} {path} holds no PEM certificate", "give the chain in PEM, the own one first"
        )
        return
    for certificate in found:
        yield validity(f"{name} {path}", certificate, now)


def validity(place: str, certificate: x509.Certificate, now: datetime | None = None) -> Finding:
    """Whether a certificate holds now, and for how long."""
    now = now or datetime.now(UTC)
    begins, ends = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    subject = certificate.subject.rfc4514_string() or "a certificate without a subject"
    if now < begins:
        told = f"{place}: {subject} holds only from {begins:%Y-%m-%dT%H:%M:%SZ} on"
        return failure("certificates", told, "look at this machine's clock, or wait")
    if now >= ends:
        return failure("certificates", f"{place}: {subject} has ended at {ends:%Y-%m-%dT%H:%M:%SZ}", "renew it")
    told = f"{place}: {subject} holds for {(ends - now).days} more days"
    return warning("certificates", told, "renew it now") if ends - now < SOON else ok("certificates", told)


def key_fits(cert_file: Path, key_file: Path) -> Iterator[Finding]:
    """Whether a key is that of the first certificate; says nothing of files that cannot be read."""
    try:
        certificate = x509.load_pem_x509_certificates(cert_file.read_bytes())[0]
        text = key_file.read_bytes()
    except (OSError, ValueError):
        return
    try:
        key = load_pem_private_key(text, None).public_key()
    except (ValueError, TypeError, UnsupportedAlgorithm):
        yield failure("certificates", f"{key_file} is not an unencrypted key in PEM", f"give the key of {cert_file}")
        return
    form = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    if key.public_bytes(*form) == certificate.public_key().public_bytes(*form):
        yield ok("certificates", f"{key_file} is the key of {cert_file}")
    else:
        yield failure(
            "certificates", f"{key_file} is not the key of {cert_file}", "give two files that belong together"
        )


def issuer(der: bytes, place: str) -> Finding:
    """What a server has shown, in DER."""
    return validity(place, x509.load_der_x509_certificate(der))
