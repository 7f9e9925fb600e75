"""An authority that signs certificates for a test: whole ones, expired ones, and ones for agents."""

from __future__ import annotations

import datetime
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

_DAY = datetime.timedelta(days=1)


@dataclass
class Pair:
    """A certificate and its key, as files."""

    cert_file: Path
    key_file: Path

    @property
    def cert(self) -> bytes:
        return self.cert_file.read_bytes()

    @property
    def key(self) -> bytes:
        return self.key_file.read_bytes()


@dataclass
class Authority:
    """Signs; ``file`` holds its own certificate."""

    folder: Path
    name: str = "authority"
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.file = self.folder / f"{self.name}.pem"
        self._subject = _named(self.name)
        certificate = (
            _builder(self._subject, self._subject, self.key, valid_days=10)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .sign(self.key, hashes.SHA256())
        )
        self.file.write_bytes(certificate.public_bytes(Encoding.PEM))

    def issue(
        self,
        common_name: str,
        *,
        organization: str = "",
        hosts: Sequence[str] = ("127.0.0.1",),
        begins_days: float = -9,
        valid_days: float = 5,
        file: str = "",
    ) -> Pair:
        """A certificate for addresses and names under a common name; one of negative days has ended, one that begins in some is for later."""
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = (
            _builder(_named(common_name, organization), self._subject, key, valid_days, begins_days)
            .add_extension(x509.SubjectAlternativeName([_host(each) for each in hosts]), critical=False)
            .sign(self.key, hashes.SHA256())
        )
        stem = file or common_name.replace(":", "-")
        pair = Pair(self.folder / f"{stem}.crt", self.folder / f"{stem}.key")
        pair.cert_file.write_bytes(certificate.public_bytes(Encoding.PEM))
        pair.key_file.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        return pair


def _host(text: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(text))
    except ValueError:
        return x509.DNSName(text)


def _named(common_name: str, organization: str = "") -> x509.Name:
    name = [x509.NameAttribute(NameOID.COMMON_NAME, common_name)]
    if organization:
        name.append(x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization))
    return x509.Name(name)


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, valid_days: float, begins_days: float = -9
) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + begins_days * _DAY)
        .not_valid_after(now + valid_days * _DAY)
    )
