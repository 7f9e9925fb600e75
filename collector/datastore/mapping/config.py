"""What is declared of records: which fields an event is made from.

::

    records: {format: json}
    time: {field: $.finished_at, form: unix_ms}
    id: $.request_id
    type: {const: gpu.seconds}
    source: {const: /inference}
    subject: $.customer.id
    value: $.usage.gpu_s
    properties: {model: $.model, region: $.placement.region}
    skip: [{field: $.kind, equals: [heartbeat]}]

A text alone names a field; a constant says that it is one, so neither can be taken for the other. ``id`` is what an event is counted once
by: where records have none, an event is known by the place of its record, and a record that is written twice counts twice.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator

from collector.datastore.mapping.formats import CsvRecords, JsonRecords, ParquetRecords, Records, RegexRecords
from collector.datastore.mapping.paths import Path, parsed
from collector.datastore.mapping.zones import checked_form, zone_of

#: Names of fields that an error shows.
_SHOWN_MAX = 50


def _field(given: Any) -> Any:
    return {"field": given} if isinstance(given, str) else given


class FieldOf(BaseModel):
    """A field of the record."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    field: str = Field(
        max_length=1024, description="Path of the field, such as $.usage.tokens, or the name of its column."
    )

    @field_validator("field")
    @classmethod
    def _is_path(cls, field: str) -> str:
        parsed(field)
        return field

    @property
    def path(self) -> Path:
        """Where it is."""
        return parsed(self.field)


class Constant(BaseModel):
    """The same text for every record."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    const: str = Field(min_length=1, max_length=1024, description="The text.")


class TimeField(FieldOf):
    """The field that has the time of the event, and how it is written there."""

    form: str = Field(
        default="rfc3339",
        max_length=256,
        description="How it is written: rfc3339, unix_s, unix_ms, unix_us, unix_ns, or a pattern of strptime such as %d/%b/%Y:%H:%M:%S %z.",
    )
    zone: str | None = Field(
        default=None, description="IANA time zone of times that are written without an offset, such as Europe/Berlin."
    )
    ambiguous: Literal["refuse", "earlier", "later"] = Field(
        default="refuse",
        description="Which one a local time means that the clocks of its zone show twice, in the hour in which they go back.",
    )

    @field_validator("zone")
    @classmethod
    def _zone_is_known(cls, zone: str | None) -> str | None:
        if zone is not None:
            zone_of(zone)
        return zone

    @model_validator(mode="after")
    def _form_is_known(self) -> TimeField:
        checked_form(self.form, self.zone)
        return self


class Skip(FieldOf):
    """Records that are left out on purpose, and counted."""

    equals: tuple[str, ...] = Field(
        min_length=1,
        description="Texts of the field, or its numbers as they are written, with which a record is left out.",
    )


Named = Annotated[FieldOf | Constant, BeforeValidator(_field)]
Fielded = Annotated[FieldOf, BeforeValidator(_field)]


class MappingConfig(BaseModel):
    """How records become events."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    records: Records = Field(default=JsonRecords(), description="The form in which records stand.")
    time: Annotated[TimeField, BeforeValidator(_field)] = Field(description="Field with the time of the event.")
    type: Named = Field(description="Field with the type of the event, or a constant.")
    source: Named = Field(
        description="Field with the source of the event, or a constant; source and id tell events apart."
    )
    id: Fielded | None = Field(
        default=None, description="Field that tells events of a source apart; the place of the record if unset."
    )
    subject: Named | None = Field(default=None, description="Field with what the event is about; nothing if unset.")
    value: Fielded | None = Field(
        default=None, description="Field with the value of the event; each counts one if unset."
    )
    properties: dict[str, Named] | Literal["others"] = Field(
        default="others",
        description="Properties by name, each a field or a constant; others stands for all other fields.",
    )
    skip: tuple[Skip, ...] = Field(default=(), description="Records that are left out: those with any of these.")

    @field_validator("properties")
    @classmethod
    def _properties_have_names(cls, properties: Any) -> Any:
        if isinstance(properties, dict) and "" in properties:
            raise ValueError("a property has a name")
        return properties

    @model_validator(mode="after")
    def _fields_exist(self) -> MappingConfig:
        match self.records:
            case CsvRecords(columns=tuple() as names) | RegexRecords(groups=names):
                required(self, dict.fromkeys(names), "the records have")
            case _:
                pass
        return self

    @property
    def attributes(self) -> dict[str, Path]:
        """The fields that are attributes of an event: a record without one of them is none."""
        named = {name: getattr(self, name) for name in ("time", "type", "source", "id", "subject", "value")}
        return {name: each.path for name, each in named.items() if isinstance(each, FieldOf)}


def required(config: MappingConfig, names: dict[str, Any], who: str) -> None:
    """Raises MissingFields where attributes are made from fields that no record has, since all have these names at their top."""
    absent = [f"{path} ({name})" for name, path in config.attributes.items() if path.top(names) not in names]
    if absent:
        shown = ", ".join(list(names)[:_SHOWN_MAX]) + (", ..." if len(names) > _SHOWN_MAX else "")
        raise MissingFields(f"{', '.join(absent)} {'is' if len(absent) == 1 else 'are'} missing: {who} {shown}")


class MissingFields(ValueError):
    """Fields that the mapping names are in no record. The message names them, and those that there are."""


def by_lines(mapping: MappingConfig | None) -> MappingConfig | None:
    """A mapping for records that stand in lines, without a beginning that says what they are. Raises ValueError for another."""
    records = mapping.records if mapping is not None else None
    if isinstance(records, ParquetRecords):
        raise ValueError("records of Parquet stand in files: here they stand in lines")
    if isinstance(records, CsvRecords) and records.columns is None:
        raise ValueError("the columns of records.csv must be declared: lines have no header here")
    return mapping
