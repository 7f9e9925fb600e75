"""The ledger's configuration: one YAML file, every field with a default, a unit and a sentence; unknown keys are refused."""

from __future__ import annotations

import difflib
import hashlib
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from ledger.intake.contents import IntakeLimits
from ledger.journal.place import FilePlace, Place, parse
from meterbook import configfile
from meterbook.health import is_loopback, split_address
from meterbook.tracing import Tracing
from meterbook.wire.instants import SECOND_US


class ConfigError(ValueError):
    """The configuration cannot be used; one sentence per fault, each naming file, field, value and what is allowed."""


class Tls(BaseModel):
    """The server's certificate."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    cert_file: Path = Field(description="PEM file with the certificate chain.")
    key_file: Path = Field(description="PEM file with the private key.")
    client_ca_file: Path | None = Field(
        default=None,
        description="PEM file with the authorities that sign clients' certificates; given, every client needs one.",
    )


class Access(BaseModel):
    """Who may do what."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    anonymous: Literal["none", "admin"] | None = Field(
        default=None,
        description="What callers without a credential are: nobody, or an admin. By default an admin where only this "
        "machine can reach the ledger and there is no tls, and else nobody.",
    )
    admin_token_file: Path | None = Field(
        default=None,
        description="File that holds one admin token, to begin with; read again when it changes, void when it is gone.",
    )


class Cluster(BaseModel):
    """A cluster that measures what is much."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    address: str = Field(
        pattern=r"^sc://[^/]+",
        description="Where it speaks Spark Connect, as Spark writes it: sc://HOST:PORT/;options.",
    )
    tasks: int = Field(default=32, ge=1, le=10_000, description="Pieces of time that a range is cut into at most.")
    samples_min: int = Field(
        default=20_000_000,
        ge=0,
        description="Samples or events of a range below which the ledger measures it by itself.",
    )


class Metering(BaseModel):
    """When windows are booked, and by whom they are measured."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    every_s: float = Field(default=30.0, ge=1, le=3_600, description="Seconds between two looks for something to book.")
    lateness_s: float = Field(
        default=300.0,
        ge=0,
        le=86_400,
        description="Seconds after its end at which a window is booked at the latest, unless its meter says another lateness; it is booked "
        "before, once all its sources have told of it, and what comes later becomes a correction.",
    )

    cluster: Cluster | None = Field(
        default=None, description="A cluster that measures what is much; by default the ledger does it all."
    )

    @property
    def lateness_us(self) -> int:
        """The same in microseconds."""
        return int(self.lateness_s * SECOND_US)


class Queries(BaseModel):
    """How much questions may take."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    timeout_s: float = Field(
        default=120.0,
        ge=0.1,
        le=86_400,
        description="Seconds that a question may take, its wait for others included; then it is stopped.",
    )
    running_max: int = Field(default=4, ge=1, le=64, description="Questions that are worked on at once; others wait.")
    waiting_max: int = Field(default=100, ge=0, le=10_000, description="Questions that wait; more are turned away.")


class Webhook(BaseModel):
    """Somebody who is told of what happens, by signed messages."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: str = Field(
        repr=False, max_length=2_000, description="Where messages are posted; https, or http on this machine alone."
    )
    name: str = Field(
        default="",
        max_length=100,
        description="What the book and the log call it; by default the host and a number that follows from the URL.",
    )
    secret_file: Path = Field(
        description="File with the secrets that sign, whsec_ and base64, one a line: all sign, so that they can be exchanged. It is "
        "read for every message."
    )
    events: tuple[Literal["threshold.reached"], ...] = Field(
        default=("threshold.reached",), description="What it is told of; by default all that there is."
    )
    ca_file: Path | None = Field(
        default=None,
        description="PEM file with the authorities that its certificate is signed by; the usual ones by default.",
    )
    timeout_s: float = Field(default=15.0, gt=0, le=300, description="Seconds that an answer may take.")
    give_up_s: float = Field(
        default=259_200.0,
        ge=0,
        le=2_592_000,
        description="Seconds, three days by default, after which a message that never arrived is given up.",
    )

    @model_validator(mode="before")
    @classmethod
    def _has_a_name(cls, value: Any) -> Any:
        if isinstance(value, dict) and isinstance(url := value.get("url"), str) and not value.get("name"):
            number = hashlib.sha256(url.encode()).hexdigest()[:8]
            return {**value, "name": f"{urlsplit(url).hostname}-{number}"}
        return value

    @field_validator("url")
    @classmethod
    def _goes_to_nobody_else(cls, value: str) -> str:
        # What is wrong is told without the URL: it may be as secret as a password.
        parts = urlsplit(value)
        if parts.scheme not in ("https", "http") or not parts.hostname:
            raise ValueError("the URL does not begin with https:// and a host")
        if parts.scheme == "http" and not is_loopback(parts.hostname):
            raise ValueError("the URL goes to another machine in plain text: give an https one")
        if parts.username is not None or parts.fragment:
            raise ValueError("the URL has a user or a fragment: leave them out, messages are signed")
        return value


class Entitlements(BaseModel):
    """How what tenants may use is kept current, and who is told when they come near their limits."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    refresh_s: float = Field(
        default=1.0, ge=0.1, le=60, description="Seconds between two looks at what was used, at least."
    )
    webhooks: tuple[Webhook, ...] = Field(default=(), description="Who is told; nobody by default.")

    @field_validator("webhooks")
    @classmethod
    def _apart(cls, value: tuple[Webhook, ...]) -> tuple[Webhook, ...]:
        names = [each.name for each in value]
        twice = sorted({each for each in names if names.count(each) > 1})
        if twice:
            raise ValueError(f"webhook {twice[0]!r} is there twice: give each a name of its own")
        return value


class Proof(BaseModel):
    """What the ledger signs, so that it cannot change what it accepted without being found out."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    origin: str | None = Field(
        default=None,
        min_length=1,
        max_length=200,
        description="Name under which the book is signed, given when the book is made; meterbook/ and a number by default.",
    )
    key_file: Path | None = Field(
        default=None,
        description="File with the signing keys, made where there is none; keys/signing.key in the store by default.",
    )
    replace_lost_key: bool = Field(
        default=False,
        description="Make a new key where the file does not have the book's. Agents must then be told of the new key.",
    )
    witness_every_s: float = Field(
        default=60.0, ge=0, le=86_400, description="Seconds between two checkpoints that an agent is shown."
    )


class Retention(BaseModel):
    """What becomes of old segments of an embedded log."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    archive: Path | None = Field(
        default=None, description="Directory that old segments are moved to; none keeps all of them in the store."
    )
    keep_bytes: int = Field(default=1 << 30, ge=0, description="Bytes of archived segments that stay in the store too.")
    every_s: float = Field(
        default=60.0, ge=1, le=86_400, description="Seconds between two looks for something to archive."
    )


class LedgerConfig(BaseModel):
    """Everything that the ledger can be told."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    store: str = Field(
        default="file:./meterbook-data",
        repr=False,
        description="Where the book is kept: file:PATH, or for several replicas s3://BUCKET/PREFIX + "
        "postgresql://USER@HOST/DATABASE, as one text or as a list of the two.",
    )
    tracing: Tracing | None = Field(
        default=None,
        description="Where traces go; none are made without it, unless OpenTelemetry's own variables name a place.",
    )
    listen: str = Field(default="127.0.0.1:9460", description="host:port of the gRPC services.")
    http: str = Field(default="127.0.0.1:9461", description="host:port of /metrics, /healthz and /readyz.")
    drain_s: float = Field(
        default=0.0,
        ge=0,
        le=3_600,
        description="Seconds for which the ledger, once told to stop, says so on /readyz and by gRPC health and goes on to serve: as long as "
        "those who balance between replicas need to hear of it. A second signal ends them.",
    )
    tls: Tls | None = Field(default=None, description="Certificate of the gRPC services; none means plain text.")
    insecure: bool = Field(
        default=False, description="Allow plain text, or anonymous admins, on an address that others can reach."
    )
    access: Access = Field(default=Access(), description="Who may do what.")
    intake: IntakeLimits = Field(default=IntakeLimits(), description="How much one agent may send.")
    retention: Retention = Field(default=Retention(), description="What becomes of old segments of an embedded log.")
    metering: Metering = Field(default=Metering(), description="When windows are booked.")
    queries: Queries = Field(default=Queries(), description="How much questions may take.")
    proof: Proof = Field(default=Proof(), description="What the ledger signs.")
    entitlements: Entitlements = Field(
        default=Entitlements(), description="What tenants may use, and who is told of it."
    )

    @field_validator("store", mode="before")
    @classmethod
    def _known_store(cls, value: Any) -> Any:
        if isinstance(value, list):
            value = " + ".join(map(str, value))
        if isinstance(value, str):
            parse(value)
        return value

    @field_validator("listen", "http")
    @classmethod
    def _address(cls, value: str) -> str:
        split_address(value)
        return value

    @model_validator(mode="after")
    def _archive_of_a_directory(self) -> LedgerConfig:
        if self.retention.archive is not None and not isinstance(self.place, FilePlace):
            raise ValueError("retention.archive is for a store of one machine, file:PATH: leave it out")
        return self

    @model_validator(mode="after")
    def _plain_text_stays_here(self) -> LedgerConfig:
        if self.tls is None and not self.insecure and not is_loopback(split_address(self.listen)[0]):
            raise ValueError(f"listen {self.listen!r} can be reached by others: give tls, or say insecure: true")
        return self

    @model_validator(mode="after")
    def _strangers_change_nothing(self) -> LedgerConfig:
        if self.access.anonymous == "admin" and not self.insecure and not is_loopback(split_address(self.listen)[0]):
            raise ValueError(
                f"access.anonymous admin with listen {self.listen!r} would let everybody change everything: "
                "say none, or insecure: true"
            )
        return self

    @property
    def allows_anonymous(self) -> bool:
        """Whether callers without a credential may do everything."""
        if self.access.anonymous is not None:
            return self.access.anonymous == "admin"
        return self.tls is None and is_loopback(split_address(self.listen)[0])

    @model_validator(mode="after")
    def _replicas_share_a_key(self) -> LedgerConfig:
        assert self.key_file is not None
        return self

    @property
    def key_file(self) -> Path:
        """Where the signing keys are. Raises ValueError where that must be said and is not."""
        if self.proof.key_file is not None:
            return self.proof.key_file
        if isinstance(self.place, FilePlace):
            return self.place.directory / "keys" / "signing.key"
        raise ValueError("proof.key_file is missing: replicas that share a store sign with one key, so say where it is")

    @property
    def place(self) -> Place:
        """Where the book is kept."""
        return parse(self.store)


def load(path: Path | None, changes: dict[str, Any]) -> LedgerConfig:
    """The configuration of a file (all defaults without one), with single fields changed. Raises ConfigError."""
    found: Any = {}
    if path is not None:
        try:
            found = configfile.read(path) or {}
        except configfile.FileError as error:
            raise ConfigError(str(error)) from error
    if not isinstance(found, dict):
        raise ConfigError(f"{path}: the configuration is a mapping of names to values, not a {type(found).__name__}")
    try:
        return LedgerConfig.model_validate({**found, **changes})
    except ValidationError as error:
        place = path or "options"
        raise ConfigError("\n".join(f"{place}: {_sentence(fault)}" for fault in error.errors())) from error


def _sentence(fault: Any) -> str:
    field = ".".join(map(str, fault["loc"]))
    if fault["type"] == "extra_forbidden":
        near = difflib.get_close_matches(str(fault["loc"][-1]), _field_names(LedgerConfig), n=1)
        return f"{field} is not a key" + (f"; did you mean {near[0]}?" if near else "")
    said = fault["msg"].removeprefix("Value error, ")
    return f"{field}: {said}" if field else said


def _field_names(model: type[BaseModel]) -> list[str]:
    names = list(model.model_fields)
    for field in model.model_fields.values():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            names += _field_names(field.annotation)
    return names
