"""The agent's configuration: one YAML file, checked as a whole before anything starts.

Every fault in the file is told at once, each in a sentence of its own (see ``faults``). The sources are checked
by the collectors that will read them, so a new kind brings its own fields and nothing changes here.

Traffic to the ledger is encrypted unless the ledger is on this machine. Whoever wants it otherwise has to write
``insecure: true``, so that nobody sends customers' usage in the clear by leaving a line out.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, InstanceOf, ValidationError, field_validator, model_validator

from agent import faults, sharding
from agent.errors import ConfigError
from agent.rules import TagsConfig
from collector import registry
from collector.base import SourceConfig
from meterbook import configfile
from meterbook.health import is_loopback, split_address
from meterbook.proof.note import VerifierKey
from meterbook.tracing import Tracing

_AGENT = re.compile(r"[a-z0-9][a-z0-9.-]{0,62}")


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


def _address(address: str) -> str:
    split_address(address)
    return address


class TlsConfig(_Part):
    """How the way to the ledger is protected."""

    ca_file: Path | None = Field(
        default=None, description="PEM file with the authorities that may vouch for the ledger; the system's if unset."
    )
    cert_file: Path | None = Field(
        default=None, description="PEM file with the agent's own certificate, where the ledger wants one."
    )
    key_file: Path | None = Field(default=None, description="PEM file with the key of that certificate.")
    server_name: str | None = Field(
        default=None,
        min_length=1,
        max_length=253,
        description="Name in the ledger's certificate; that of the endpoint if unset.",
    )
    insecure: bool = Field(default=False, description="Whether usage may travel unencrypted to another machine.")

    @model_validator(mode="after")
    def _fits_together(self) -> TlsConfig:
        if self.insecure and self.ca_file is not None:
            raise ValueError("ca_file and insecure: true exclude each other: remove one of them")
        if self.insecure and self.cert_file is not None:
            raise ValueError("cert_file and insecure: true exclude each other: remove one of them")
        if self.insecure and self.server_name is not None:
            raise ValueError("server_name and insecure: true exclude each other: remove one of them")
        if (self.cert_file is None) != (self.key_file is None):
            raise ValueError("cert_file and key_file go together: give both or none")
        return self


class LedgerConfig(_Part):
    """Where the ledger is and how it is spoken to."""

    endpoint: str = Field(description="Address of the ledger's intake, host:port.")
    tls: TlsConfig = Field(default=TlsConfig(), description="Encryption; off only to this machine, unless insecure.")
    key_file: Path | None = Field(
        default=None,
        description="File with the agent's own key, which the agent writes when it enrols; none for a ledger that asks for none.",
    )
    enrolment_token_file: Path | None = Field(
        default=None, description="File with a one-time invitation, read while there is no key; needs key_file."
    )
    verifier_key: str | None = Field(
        default=None,
        description="Key that the ledger signs with, as 'meterbook keys list' shows it; by default the first one seen is kept.",
    )
    in_flight_max: int = Field(
        default=64,
        ge=1,
        le=10_000,
        description="Most batches sent and not yet acknowledged; the ledger may ask for fewer.",
    )
    ack_timeout_s: float = Field(
        default=60.0, gt=0, description="Seconds without an answer, with batches under way, after which to reconnect."
    )

    _endpoint_is_address = field_validator("endpoint")(_address)

    @field_validator("verifier_key")
    @classmethod
    def _is_verifier_key(cls, text: str | None) -> str | None:
        if text is not None:
            VerifierKey.parse(text)
        return text

    @model_validator(mode="after")
    def _key_has_a_place(self) -> LedgerConfig:
        if self.enrolment_token_file is not None and self.key_file is None:
            raise ValueError("enrolment_token_file needs key_file: say where the key is to be kept")
        return self

    @property
    def plaintext(self) -> bool:
        """Whether the connection is not encrypted."""
        has_tls = any(each is not None for each in (self.tls.ca_file, self.tls.cert_file, self.tls.server_name))
        return self.tls.insecure or (not has_tls and is_loopback(split_address(self.endpoint)[0]))


class SpoolConfig(_Part):
    """Where batches wait for the ledger."""

    path: Path = Field(
        default=Path("/var/lib/meterbook/agent.spool"),
        description="SQLite file that holds what is not acknowledged yet.",
    )
    bytes_max: int = Field(
        default=1 << 30, ge=1 << 20, description="Most bytes of batches that may wait, one mebibyte or more."
    )
    age_max_s: float = Field(
        default=30 * 86_400.0,
        gt=0,
        description="Seconds that the oldest batch may have waited; beyond that the spool counts as full.",
    )
    when_full: Literal["refuse_new"] = Field(
        default="refuse_new",
        description="refuse_new: checkpoints stay where they are, and the interval becomes a 'lost' coverage record.",
    )


class ScheduleConfig(_Part):
    """How collections share the machine."""

    threads_max: int = Field(default=32, ge=1, le=1_000, description="Most collections that run at the same time.")


class HttpConfig(_Part):
    """The operator's door: /metrics, /healthz and /readyz."""

    listen: str = Field(
        default="127.0.0.1:9465", description="Address to listen on, host:port; port 0 takes a free one."
    )

    _listen_is_address = field_validator("listen")(_address)


class AgentConfig(_Part):
    """All of the file."""

    agent: str = Field(description="Name of the agent, stable over restarts and unique at its ledger.")
    ledger: LedgerConfig = Field(description="Where the ledger is.")
    spool: SpoolConfig = Field(default=SpoolConfig(), description="Where batches wait for the ledger.")
    tags: TagsConfig = Field(default=TagsConfig(), description="How readings get their tenant.")
    schedule: ScheduleConfig = Field(default=ScheduleConfig(), description="How collections share the machine.")
    http: HttpConfig = Field(default=HttpConfig(), description="The operator's door.")
    tracing: Tracing | None = Field(
        default=None,
        description="Where traces go; none are made without it, unless OpenTelemetry's own variables name a place.",
    )
    sources: tuple[InstanceOf[SourceConfig], ...] = Field(default=(), description="What is read, each by its kind.")

    @field_validator("agent")
    @classmethod
    def _is_name(cls, name: str) -> str:
        if not _AGENT.fullmatch(name):
            raise ValueError(f"{name!r} is no agent name: use 1 to 63 lower-case letters, digits, dots and hyphens")
        return name


def load(path: Path, *, name: str | None = None, shard: str | None = None) -> AgentConfig:
    """The configuration in a file, with another ``name`` of the agent and as a ``shard`` (see ``sharding``) where these are given.

    Raises ConfigError with one sentence per fault, each naming the file.
    """
    sharding.check(shard)
    document = _document(path)
    if name is not None:
        document["agent"] = name
    raw_sources = document.pop("sources", None)
    found: list[str] = []
    config: AgentConfig | None = None
    try:
        config = AgentConfig.model_validate(document)
    except ValidationError as error:
        found += faults.sentences(error, AgentConfig)
    sources: list[SourceConfig] = []
    if not isinstance(raw_sources, list) or not raw_sources:
        found.append("sources: a list with at least one source is needed, each with its kind")
    else:
        for index, raw in enumerate(raw_sources):
            try:
                if (part := sharding.part_of(raw, f"sources.{index}", shard)) is not None:
                    sources.append(_source(part, index))
            except ConfigError as error:
                found += error.faults
    if found or config is None:
        raise ConfigError(*(f"{path}: {fault}" for fault in found))
    return config.model_copy(update={"sources": tuple(sources)})


def _source(raw: object, index: int) -> SourceConfig:
    """The configuration of one source, as its collector wants it. Raises ConfigError without the file's name."""
    place = f"sources.{index}"
    if not isinstance(raw, dict):
        raise ConfigError(f"{place}: {raw!r} must be a mapping with a kind, such as kind: {registry.kinds()[0]}")
    kind = raw.get("kind")
    if not isinstance(kind, str):
        hint = "is required" if kind is None else f"{kind!r} must be text"
        raise ConfigError(f"{place}.kind: {hint}: there is {', '.join(registry.kinds())}")
    if kind not in registry.kinds():
        raise ConfigError(f"{place}.kind: {kind!r} is not a collector: {faults.nearest(kind, registry.kinds())}")
    try:
        model = registry.plugin(kind).config
    except ImportError as error:
        raise ConfigError(f"{place}.kind: {kind!r} cannot be loaded, a library is not installed: {error}") from error
    try:
        return model.model_validate(raw)
    except ValidationError as error:
        raise ConfigError(*faults.sentences(error, model, ("sources", index))) from None


def _document(path: Path) -> dict[Any, Any]:
    """The mapping in the file. Raises ConfigError with the line and column of what is not YAML."""
    try:
        document = configfile.read(path)
    except configfile.FileError as error:
        raise ConfigError(str(error)) from error
    if not isinstance(document, dict):
        raise ConfigError(f"{path}: must hold a mapping with agent, ledger and sources")
    return document
