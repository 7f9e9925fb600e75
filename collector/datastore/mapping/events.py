"""One record as an event: the slow way, which knows everything that a record can be, and says what is wrong with the others.

What is billed is never guessed and never rounded, as with CloudEvents: a record without one of the fields that its attributes are made
from is no event, nor is one whose value is no number that the book can hold. A field that is null or an empty text is as if it were not
there, but as a property: there an empty text is one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from collector.datastore.cloudevents import BadEvent, Event, encodable, exact
from collector.datastore.mapping.config import Constant, FieldOf, MappingConfig
from collector.datastore.mapping.paths import Path, look
from collector.datastore.mapping.texts import Moment, property_of, text_of
from collector.datastore.mapping.times import Clock
from meterbook.wire.series import canonical_json

Record = Mapping[str, Any]


class EventMap:
    """A mapping, ready to be used. ``properties`` are names with fields or constants; None for all other fields."""

    def __init__(self, config: MappingConfig) -> None:
        self.config = config
        self.clock = Clock(config.time)
        self.time = config.time.path
        self.id = config.id.path if config.id is not None else None
        self.value = config.value.path if config.value is not None else None
        self.type, self.source = _named(config.type), _named(config.source)
        self.subject = _named(config.subject) if config.subject is not None else ""
        self.skips = [(skip.path, frozenset(skip.equals)) for skip in config.skip]
        self.properties: dict[str, Path | str] | None = None
        if config.properties != "others":
            self.properties = {name: _named(each) for name, each in config.properties.items()}
        named = (self.time, self.id, self.value, self.type, self.source, self.subject)
        self._taken = [each for each in named if isinstance(each, Path)]

    def event(self, record: Record, identity: str) -> Event | None:
        """The event that a record is; None for one that is left out on purpose. ``identity`` is its id where it has none itself.

        Raises BadEvent.
        """
        if any(property_of(look(record, path)) in texts for path, texts in self.skips):
            return None
        return encodable(
            Event(
                source=self._text(record, "source", self.source),
                id=identity if self.id is None else self._text(record, "id", self.id),
                type=self._text(record, "type", self.type),
                subject=self._subject(record),
                time_us=self.clock.instant_us(look(record, self.time)),
                value=self._value(record),
                properties=canonical_json(dict(self._properties(record))),
            )
        )

    def others(self, record: Record) -> set[str]:
        """The members at the top of a record that no attribute is made from, but perhaps from a part of them."""
        whole = {path.top(record) for path in self._taken if not path.inner(record)}
        return set(record) - whole

    def tops(self, names: Record) -> set[str]:
        """The members at the top that are needed, of records that have these."""
        paths = [*self._taken, *(path for path, _ in self.skips)]
        if self.properties is None:
            return {path.top(names) for path in paths} | self.others(names)
        paths += [each for each in self.properties.values() if isinstance(each, Path)]
        return {path.top(names) for path in paths}

    def _text(self, record: Record, attribute: str, named: Path | str) -> str:
        if isinstance(named, str):
            return named
        text = text_of(look(record, named), f"{attribute} {named}")
        if not text:
            raise BadEvent(f"{attribute} {named} is missing")
        return text

    def _subject(self, record: Record) -> str:
        named = self.subject
        return named if isinstance(named, str) else text_of(look(record, named), f"subject {named}")

    def _value(self, record: Record) -> Decimal:
        if self.value is None:
            return Decimal(1)
        leaf, name = look(record, self.value), f"value {self.value}"
        if leaf is None or leaf == "":
            raise BadEvent(f"{name} is missing")
        return exact(leaf.text() if isinstance(leaf, Moment) else leaf, name)

    def _properties(self, record: Record) -> Iterator[tuple[str, str]]:
        if self.properties is None:
            found = ((name, record[name]) for name in self.others(record))
        else:
            found = (
                (name, each if isinstance(each, str) else look(record, each)) for name, each in self.properties.items()
            )
        for name, leaf in found:
            text = property_of(leaf)
            if text is not None:
                yield name, text


def _named(named: FieldOf | Constant) -> Path | str:
    return named.const if isinstance(named, Constant) else named.path
