"""Where a book is kept, as one setting says it: ``file:PATH``, or an S3 bucket and a PostgreSQL database together.

::

    file:/var/lib/meterbook
    s3://BUCKET/PREFIX?region=eu-central-1 + postgresql://meterbook@db.example/meterbook

Credentials come from where S3 and PostgreSQL clients look for them anyway: the AWS chain (environment, profile, role), and
libpq's (``PGPASSWORD``, ``~/.pgpass``) or the URL. Whatever is shown of a place has none in it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit, urlunsplit

SCHEMA = "meterbook"

_SEPARATOR = re.compile(r"\s+\+\s+")
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]\Z")
_PREFIX = re.compile(r"[A-Za-z0-9!_.*'()=-]+(/[A-Za-z0-9!_.*'()=-]+)*\Z")
_SCHEMA = re.compile(r"[a-z_][a-z0-9_]{0,62}\Z")
_REGION = re.compile(r"[a-z0-9-]+\Z")
_OPTIONS = ("endpoint", "region", "durable")
#: What is secret among the parameters of libpq (PostgreSQL 18, 32.1.2).
_SECRETS = ("password", "sslpassword", "oauth_client_secret", "scram_client_key", "scram_server_key")


@dataclass(frozen=True)
class FilePlace:
    """A directory of one machine."""

    directory: Path

    def __str__(self) -> str:
        return f"file:{self.directory}"


@dataclass(frozen=True)
class Bucket:
    """A prefix in a bucket; ``endpoint`` is None for AWS itself, ``region`` where the AWS chain knows it.

    ``is_durable``: somebody has made sure that this server syncs before it answers, where it cannot be told from outside.
    """

    name: str
    prefix: str = ""
    endpoint: str | None = None
    region: str | None = None
    is_durable: bool = False

    def key(self, name: str) -> str:
        """The key of what is called ``name`` below the prefix."""
        return f"{self.prefix}/{name}" if self.prefix else name

    def __str__(self) -> str:
        return f"s3://{self.name}/{self.prefix}".rstrip("/") + (f" at {self.endpoint}" if self.endpoint else "")


@dataclass(frozen=True)
class Server:
    """A schema in a PostgreSQL database; ``url`` is what libpq connects with, and may hold a password."""

    url: str = field(repr=False)
    schema: str = SCHEMA

    def __str__(self) -> str:
        parts = urlsplit(self.url)
        return f"postgresql://{parts.netloc.rpartition('@')[2]}{parts.path}"


@dataclass(frozen=True)
class SharedPlace:
    """What the replicas of a ledger share."""

    bucket: Bucket
    server: Server

    def __str__(self) -> str:
        return f"{self.bucket} + {self.server}"


Place = FilePlace | SharedPlace


def parse(text: str) -> Place:
    """The place that a setting names. Raises ValueError, whose message shows no password."""
    whole = urlsplit(text)
    if whole.scheme == "file" and whole.path and not whole.netloc:
        return FilePlace(Path(unquote(whole.path)))
    parts_given = _SEPARATOR.split(text.strip())
    schemes = [part.partition(":")[0] for part in parts_given]
    if len(parts_given) == 2 and schemes[0] == "s3" and schemes[1] in ("postgresql", "postgres"):
        return SharedPlace(_bucket(parts_given[0]), _server(parts_given[1]))
    raise ValueError(
        f"{_shown(parts_given)} is neither file:PATH, such as file:/var/lib/meterbook, nor s3://BUCKET/PREFIX and "
        "postgresql://USER@HOST/DATABASE with ' + ' between them"
    )


def address(place: Place) -> str:
    """The setting that names a place, without a password: for a process that has credentials of its own."""
    if isinstance(place, FilePlace):
        return f"file:{quote(str(place.directory.absolute()))}"
    bucket, server = place.bucket, place.server
    options = {"endpoint": bucket.endpoint, "region": bucket.region, "durable": "yes" if bucket.is_durable else None}
    given = urlencode({name: value for name, value in options.items() if value is not None})
    parts = urlsplit(server.url)
    user, _, host = parts.netloc.rpartition("@")
    netloc = f"{user.partition(':')[0]}@{host}" if user else host
    kept = [(name, value) for name, value in parse_qsl(parts.query, keep_blank_values=True) if name not in _SECRETS]
    database = urlunsplit(("postgresql", netloc, parts.path, urlencode([*kept, ("schema", server.schema)]), ""))
    return f"s3://{bucket.name}/{bucket.prefix}?{given} + {database}"


def _bucket(text: str) -> Bucket:
    parts = urlsplit(text)
    if "@" in parts.netloc:
        raise ValueError("s3: credentials do not stand in the address; put them where the AWS tools look for them")
    if not _BUCKET.match(parts.netloc):
        raise ValueError(f"s3: {parts.netloc!r} is not the name of a bucket")
    prefix = parts.path.strip("/")
    if prefix and not _PREFIX.match(prefix):
        raise ValueError(
            f"s3: prefix {prefix!r} has characters that are not safe in a key; use letters, digits, - and /"
        )
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    for name in options:
        if name not in _OPTIONS:
            raise ValueError(f"s3: {name} is no option; there are {', '.join(_OPTIONS)}")
    endpoint, region, durable = options.get("endpoint"), options.get("region"), options.get("durable", "no")
    if endpoint is not None and (urlsplit(endpoint).scheme not in ("http", "https") or not urlsplit(endpoint).netloc):
        raise ValueError("s3: endpoint is not http://HOST:PORT or https://HOST:PORT")
    if endpoint is not None and "@" in endpoint:
        raise ValueError("s3: credentials do not stand in the endpoint; put them where the AWS tools look for them")
    if region is not None and not _REGION.match(region):
        raise ValueError(f"s3: region {region!r} is not a region, such as eu-central-1")
    if durable not in ("yes", "no"):
        raise ValueError(f"s3: durable {durable!r} is not yes or no")
    return Bucket(parts.netloc, prefix, endpoint, region, durable == "yes")


def _server(text: str) -> Server:
    parts = urlsplit(text)
    if not parts.path.strip("/"):
        raise ValueError("postgresql: the address names no database; say postgresql://USER@HOST/DATABASE")
    options = parse_qsl(parts.query, keep_blank_values=True)
    schema = dict(options).get("schema", SCHEMA)
    if not _SCHEMA.match(schema):
        raise ValueError(f"postgresql: schema {schema!r} is not a name of lower-case letters, digits and _")
    kept = urlencode([(name, value) for name, value in options if name != "schema"])
    return Server(urlunsplit(("postgresql", parts.netloc, parts.path, kept, "")), schema)


def _shown(parts: list[str]) -> str:
    """What was given, without what may be a secret."""
    return repr(" + ".join(re.sub(r"//[^/]*@", "//...@", part.partition("?")[0]) for part in parts))
