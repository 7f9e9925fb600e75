"""The ledger's configuration: one YAML file, every field with a default, a unit and a sentence; unknown keys are refused."""

from __future__ import annotations

import difflib
import ipaddress
from pathlib import Path
from typing import Any, Literal
from urllib.parse import unquote, urlsplit

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from ledger.intake.contents import IntakeLimits
from meterbook.health import split_address


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


class Metering(BaseModel):
    """When hours are booked."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    every_s: float = Field(default=30.0, ge=1, le=3_600, description="Seconds between two looks for something to book.")
    lateness_s: float = Field(
        default=300.0,
        ge=0,
        le=86_400,
        description="Seconds after its end at which an hour is booked; later samples become corrections.",
    )


class LedgerConfig(BaseModel):
    """Everything that the ledger can be told."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    store: str = Field(default="file:./meterbook-data", description="Where the book is kept: file:PATH.")
    listen: str = Field(default="127.0.0.1:9460", description="host:port of the gRPC services.")
    http: str = Field(default="127.0.0.1:9461", description="host:port of /metrics, /healthz and /readyz.")
    tls: Tls | None = Field(default=None, description="Certificate of the gRPC services; none means plain text.")
    insecure: bool = Field(
        default=False, description="Allow plain text, or anonymous admins, on an address that others can reach."
    )
    access: Access = Field(default=Access(), description="Who may do what.")
    intake: IntakeLimits = Field(default=IntakeLimits(), description="How much one agent may send.")
    metering: Metering = Field(default=Metering(), description="When hours are booked.")

    @field_validator("store")
    @classmethod
    def _known_store(cls, value: str) -> str:
        parts = urlsplit(value)
        if parts.scheme != "file" or parts.netloc or not parts.path:
            raise ValueError(f"{value!r} is not file:PATH, such as file:/var/lib/meterbook")
        return value

    @field_validator("listen", "http")
    @classmethod
    def _address(cls, value: str) -> str:
        split_address(value)
        return value

    @model_validator(mode="after")
    def _plain_text_stays_here(self) -> LedgerConfig:
        if self.tls is None and not self.insecure and not _is_loopback(split_address(self.listen)[0]):
            raise ValueError(f"listen {self.listen!r} can be reached by others: give tls, or say insecure: true")
        return self

    @model_validator(mode="after")
    def _strangers_change_nothing(self) -> LedgerConfig:
        if self.access.anonymous == "admin" and not self.insecure and not _is_loopback(split_address(self.listen)[0]):
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
        return self.tls is None and _is_loopback(split_address(self.listen)[0])

    @property
    def directory(self) -> Path:
        """Directory of the embedded store."""
        return Path(unquote(urlsplit(self.store).path))


def load(path: Path | None, changes: dict[str, Any]) -> LedgerConfig:
    """The configuration of a file (all defaults without one), with single fields changed. Raises ConfigError."""
    found: Any = {}
    if path is not None:
        try:
            found = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
        except OSError as error:
            raise ConfigError(f"{path}: cannot be read ({error.strerror})") from error
        except UnicodeDecodeError as error:
            raise ConfigError(f"{path}: not UTF-8 text at byte {error.start}") from error
        except yaml.YAMLError as error:
            raise ConfigError(f"{path}: not YAML: {' '.join(str(error).split())}") from error
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


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
