"""Tag rules: how the configuration says whose a series or an event is.

A rule takes one value from what was observed (``from``), may ask for a shape (``match``) and for circumstances
(``when``), and gives a tenant: a literal one, a captured part of the value, the value itself, or what a table has for it. Rules stand in
order and the first that gives a tenant wins. A rule whose ``from`` or ``when`` names something that a row of this
kind does not have (an event has no labels, a series no type) simply does not apply to it. ``origin`` is what the row
was read from; a ``tag`` is what a resource is marked with, such as ``pod.label.app``; the ``source`` of an event is what the event itself names, that of a series is its origin.

What comes from data is not trusted to be a tenant's name. A value outside :data:`TENANT`, and so also one that
begins with ``@``, gives ``@unassigned`` and ends the search: a workload that calls itself ``@shared`` must not
move its cost to everybody, nor reach a later, more generous rule.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from meterbook.wire.series import SHARED, UNASSIGNED

#: What a tenant's name looks like when it is read from data.
TENANT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/-]{0,127}")

SERIES_PLACES = frozenset({"origin", "source", "metric", "label", "attribute", "tag"})
EVENT_PLACES = frozenset({"origin", "source", "subject", "type", "property"})
_NAMED_PLACES = frozenset({"label", "attribute", "tag", "property"})
_FORMS = "origin, source, metric, subject, type, label:NAME, attribute:NAME, tag:NAME or property:NAME"


def _compiled(pattern: str | None) -> re.Pattern[str] | None:
    try:
        return None if pattern is None else re.compile(pattern)
    except re.error as error:
        raise ValueError(f"{pattern!r} is not a regular expression: {error}") from None


class TagCondition(BaseModel):
    """Circumstances under which a rule applies; all that are given must hold."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    metric: str | None = Field(default=None, description="Regular expression that the whole metric name matches.")
    source: str | None = Field(default=None, description="Regular expression that the whole source name matches.")
    type: str | None = Field(default=None, description="Regular expression that the whole event type matches.")

    @field_validator("metric", "source", "type")
    @classmethod
    def _is_pattern(cls, pattern: str | None) -> str | None:
        _compiled(pattern)
        return pattern


class TagRule(BaseModel):
    """One rule: where the tenant's name stands, or which one it is."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    from_: str | None = Field(default=None, alias="from", description=f"The value to look at: {_FORMS}.")
    match: str | None = Field(
        default=None,
        description="Regular expression that the whole value matches. Its group 'tenant', else its first, is the tenant.",
    )
    tenant: str | None = Field(default=None, description="The tenant itself, such as shop or @shared.")
    table: dict[str, str] | None = Field(
        default=None,
        description="Tenants by what was found, such as account numbers; the rule does not apply to what is not in it.",
    )
    when: TagCondition = Field(default=TagCondition(), description="Circumstances under which the rule applies.")

    @field_validator("from_")
    @classmethod
    def _is_place(cls, place: str | None) -> str | None:
        if place is not None:
            split_place(place)
        return place

    @field_validator("match")
    @classmethod
    def _is_pattern(cls, pattern: str | None) -> str | None:
        _compiled(pattern)
        return pattern

    @field_validator("tenant")
    @classmethod
    def _is_tenant(cls, tenant: str | None) -> str | None:
        if tenant is not None and tenant not in (SHARED, UNASSIGNED) and not TENANT.fullmatch(tenant):
            raise ValueError(f"{tenant!r} is no tenant: use letters, digits and ._:/-, or {SHARED}, or {UNASSIGNED}")
        return tenant

    @field_validator("table")
    @classmethod
    def _are_tenants(cls, table: dict[str, str] | None) -> dict[str, str] | None:
        for tenant in (table or {}).values():
            cls._is_tenant(tenant)
        return table

    @model_validator(mode="after")
    def _gives_a_tenant(self) -> TagRule:
        if self.from_ is None and self.tenant is None:
            raise ValueError("a rule needs 'from' (where the tenant's name stands) or 'tenant' (which one it is)")
        if self.table is not None and (self.from_ is None or self.tenant is not None):
            raise ValueError("'table' needs 'from' (what is looked up) and gives the tenant itself")
        if self.from_ is None and self.match is not None:
            raise ValueError("'match' needs 'from': there is no value to match")
        return self


class TagsConfig(BaseModel):
    """How readings get their tenant."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    rules: tuple[TagRule, ...] = Field(default=(), description="Rules in order; the first that gives a tenant wins.")


def split_place(place: str) -> tuple[str, str]:
    """Kind and name of a ``from``: ``label:team`` gives both, ``source`` an empty name. Raises ValueError."""
    kind, colon, name = place.partition(":")
    known = kind in SERIES_PLACES | EVENT_PLACES
    # A comma at the front is the one property name that the search in canonical JSON could mistake (see tagger).
    if not known or bool(colon and name) != (kind in _NAMED_PLACES) or name.startswith(","):
        raise ValueError(f"{place!r} is not a place: use {_FORMS}")
    return kind, name


@dataclass(frozen=True)
class Rule:
    """A rule made ready: patterns compiled, the place split."""

    place: tuple[str, str] | None
    pattern: re.Pattern[str] | None
    tenant: str | None
    when_metric: re.Pattern[str] | None
    when_source: re.Pattern[str] | None
    when_type: re.Pattern[str] | None
    table: Mapping[str, str] | None = None

    def tenant_from(self, value: str) -> str | None:
        """The tenant that the rule gives for a value, ``@unassigned`` for a bad name, None where it does not apply."""
        named: str | None = value
        if self.pattern is not None:
            found = self.pattern.fullmatch(value)
            if found is None:
                return None
            if found.re.groups:
                named = found["tenant"] if "tenant" in found.re.groupindex else found[1]
        if self.tenant is not None:
            return self.tenant if value else None
        if not named:
            return None
        if self.table is not None:
            return self.table.get(named)
        return named if TENANT.fullmatch(named) else UNASSIGNED


def ready(config: TagsConfig) -> tuple[Rule, ...]:
    """The rules of a configuration, ready to apply."""
    return tuple(
        Rule(
            place=None if rule.from_ is None else split_place(rule.from_),
            pattern=_compiled(rule.match),
            tenant=rule.tenant,
            when_metric=_compiled(rule.when.metric),
            when_source=_compiled(rule.when.source),
            when_type=_compiled(rule.when.type),
            table=rule.table,
        )
        for rule in config.rules
    )
