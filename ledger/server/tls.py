"""The server's certificate, read again when its files change, without a restart and without ever having none.

gRPC asks for the certificate at every new connection. The answer is "unchanged" until the files are others (by modification
time, inode and size, looked at most once a second) and fit together; a pair that is half written, or whose key is another's,
leaves the one before in place and is told in the log and on /metrics. Connections that are open keep what they began with.
"""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import grpc
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from ledger.server.config import Tls

LOOK_EVERY_S = 1.0

logger = logging.getLogger(__name__)

_Stamp = tuple[tuple[int, int, int] | None, ...]


class Unusable(ValueError):
    """The files cannot be used as they are; the message names them and says what to do."""


@dataclass(frozen=True)
class Certificate:
    """A chain with its key, and the authorities of clients' certificates (b"" for none)."""

    chain: bytes
    key: bytes = field(repr=False)
    client_authorities: bytes
    #: When the certificate ends, seconds since the Unix epoch.
    not_after_s: float

    @classmethod
    def read(cls, tls: Tls) -> Certificate:
        """From the files. Raises Unusable."""
        key, chain = _bytes(tls.key_file), _bytes(tls.cert_file)
        try:
            first = x509.load_pem_x509_certificates(chain)[0]
            private = load_pem_private_key(key, None)
            fits = _public(first.public_key()) == _public(private.public_key())
        except (ValueError, TypeError, UnsupportedAlgorithm) as error:
            raise _unusable(tls) from error
        if not fits:
            raise _unusable(tls)
        authorities = b"" if tls.client_ca_file is None else _bytes(tls.client_ca_file)
        if tls.client_ca_file is not None:
            try:
                x509.load_pem_x509_certificates(authorities)
            except ValueError as error:
                raise Unusable(
                    f"tls: {tls.client_ca_file} holds no PEM certificate; give that of the authority that signs clients'"
                ) from error
        return cls(chain, key, authorities, first.not_valid_after_utc.timestamp())

    def for_grpc(self) -> grpc.ServerCertificateConfiguration:
        """As gRPC wants to have it."""
        return grpc.ssl_server_certificate_configuration([(self.key, self.chain)], self.client_authorities or None)


class Certificates:
    """The certificate of now. Raises Unusable where there is none to begin with."""

    def __init__(self, tls: Tls) -> None:
        self._tls = tls
        self._looking = threading.Lock()
        self._stamp = self._stamp_now()
        self._looked_s = time.monotonic()
        self.current = self._given = Certificate.read(tls)
        self._warn()
        #: How often changed files could not be used.
        self.failures = 0
        self._credentials = grpc.dynamic_ssl_server_credentials(
            self.current.for_grpc(),
            self._fetch,  # type: ignore[arg-type] # the types do not know that None means unchanged
            require_client_authentication=tls.client_ca_file is not None,
        )

    @property
    def credentials(self) -> grpc.ServerCredentials:
        """What a port is opened with. Keep this object for as long as the port is open."""
        return self._credentials

    def look(self) -> None:
        """Read the files if they changed; at most once a second."""
        with self._looking:
            if time.monotonic() - self._looked_s < LOOK_EVERY_S:
                return
            self._looked_s = time.monotonic()
            stamp = self._stamp_now()
            if stamp == self._stamp:
                return
            self._stamp = stamp
            try:
                self.current = Certificate.read(self._tls)
            except Unusable as error:
                self.failures += 1
                logger.error("the certificate stays the one before: %s", error)
                return
            logger.info("a new certificate from %s", self._tls.cert_file)
            self._warn()

    def _warn(self) -> None:
        """It is taken all the same: there is no better one, and no reason to end for it."""
        ended = datetime.fromtimestamp(self.current.not_after_s, UTC)
        if ended <= datetime.now(UTC):
            told = "the certificate in %s ended at %s, and whoever checks it does not connect: renew it"
            logger.warning(told, self._tls.cert_file, f"{ended:%Y-%m-%dT%H:%M:%SZ}")

    def _fetch(self) -> grpc.ServerCertificateConfiguration | None:
        """Called by gRPC, from threads of its own, at every new connection; None means unchanged."""
        self.look()
        with self._looking:
            if self._given is self.current:
                return None
            self._given = self.current
            return self.current.for_grpc()

    def _stamp_now(self) -> _Stamp:
        return tuple(_file_stamp(path) for path in (self._tls.cert_file, self._tls.key_file, self._tls.client_ca_file))


def _file_stamp(path: Path | None) -> tuple[int, int, int] | None:
    try:
        status = path.stat() if path is not None else None
    except OSError:
        return None
    return None if status is None else (status.st_mtime_ns, status.st_ino, status.st_size)


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise Unusable(f"tls: {path} cannot be read ({error.strerror}); give files that the ledger may read") from error


def _public(key: object) -> bytes:
    found = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)  # type: ignore[attr-defined]
    assert isinstance(found, bytes)
    return found


def _unusable(tls: Tls) -> Unusable:
    return Unusable(
        f"tls: {tls.cert_file} and {tls.key_file} are not a certificate and its unencrypted key, both in PEM; "
        "give files that belong together"
    )
