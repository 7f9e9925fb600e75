"""The two images, said once: what they hold, as whom they run, and how large they may become.

Both Dockerfiles say the same in their own words where they must (labels, user, environment); a test holds them to this.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

#: Who runs in an image, and its group: no name of a host, and never root.
UID = 65_532
#: The only place that is theirs; a volume lies over it.
HOME = "/var/lib/meterbook"
#: Where Debian's Python looks for what was installed beside it.
LIBRARIES = "usr/local/lib/python3.11/dist-packages"

ENVIRONMENT: Mapping[str, str] = MappingProxyType(
    {
        "PATH": "/usr/local/bin:/usr/bin",
        # There is no locale; nothing is ever written beside a module; nothing comes from a home.
        "PYTHONUTF8": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONNOUSERSITE": "1",
        "PYTHONUNBUFFERED": "1",
        "SSL_CERT_FILE": "/etc/ssl/certs/ca-certificates.crt",
    }
)


@dataclass(frozen=True)
class Image:
    """One image: ``packages`` of ours it is for, with these ``extras``.

    What is pulled is compressed, and takes at most ``pulled_bytes_max``; on a node it takes at most ``unpacked_bytes_max``.
    """

    name: str
    title: str
    packages: tuple[str, ...]
    extras: tuple[str, ...]
    pulled_bytes_max: int
    unpacked_bytes_max: int

    @property
    def lock(self) -> str:
        """The file, below the root of the repository, with what is installed."""
        return f"images/{self.name}.lock"

    @property
    def repository(self) -> str:
        """What the charts call it."""
        return f"meterbook-{self.name}"

    def labels(self, version: str) -> dict[str, str]:
        """What it says of itself, by the keys of the OCI image specification."""
        return {
            "org.opencontainers.image.title": self.title,
            "org.opencontainers.image.description": "Reads your customers' meters and keeps the book",
            "org.opencontainers.image.version": version,
            "org.opencontainers.image.licenses": "Apache-2.0",
            "org.opencontainers.image.vendor": "Meterbook",
        }


AGENT = Image(
    "agent",
    "Meterbook agent",
    ("agent", "collector"),
    ("agent", "kubernetes", "aws", "tracing"),
    pulled_bytes_max=200_000_000,
    unpacked_bytes_max=265_000_000,
)
#: Native code alone is 400 MB: DuckDB and four extensions, each with a part of DuckDB inside, Arrow, and the compiler of PDF.
LEDGER = Image(
    "ledger",
    "Meterbook ledger",
    ("ledger",),
    ("ledger", "distributed", "pdf", "tracing"),
    pulled_bytes_max=400_000_000,
    unpacked_bytes_max=500_000_000,
)
IMAGES: Mapping[str, Image] = MappingProxyType({each.name: each for each in (AGENT, LEDGER)})
