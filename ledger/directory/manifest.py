"""Manifests: YAML files in, checked documents and faults out.

Whoever applies forty files wants to hear of all their mistakes at once, with file and line, and wants nothing
applied while there is one. So faults are values: every document is read, every fault of every document is
collected, and the caller decides by looking whether there are any. Nothing in here raises for bad input.

The shape of a document::

    kind: plan                     # one of KINDS
    name: team
    effective_from: 2026-03-01     # optional: RFC 3339, or a date for its midnight UTC; else since ever
    spec: {...}                    # as the kind says
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, Field, ValidationError
from pydantic_core import ErrorDetails

from ledger.directory.documents import KINDS, Document, Fault, field_text, place_of
from ledger.schema.moments import Moment
from ledger.schema.spec import Name, Part, Path
from ledger.schema.yamltext import NotYaml, Tree, read
from meterbook.wire import instants

SHOWN_LENGTH_MAX = 80

Model = TypeVar("Model", bound=BaseModel)


class Envelope(Part):
    """What surrounds every specification."""

    kind: str = Field(description="Kind of the definition: one of KINDS.")
    name: Name = Field(description="Name of the definition; with the kind, its identity.")
    effective_from: Moment | None = Field(
        default=None,
        description="Since when it holds: RFC 3339, or a date for its midnight UTC; by default since ever.",
    )
    spec: dict[str, Any] = Field(description="The specification, as its kind says.")


@dataclass(frozen=True)
class Manifest:
    """All that a set of files holds. Use the documents only where there are no faults."""

    documents: tuple[Document, ...]
    faults: tuple[Fault, ...]


def parse_manifests(files: Iterable[tuple[str, str]]) -> Manifest:
    """Read (file name, text) pairs, each with any number of YAML documents; empty documents are passed over."""
    documents: list[Document] = []
    faults: list[Fault] = []
    for file, text in files:
        for found in _file(file, text):
            if isinstance(found, Document):
                documents.append(found)
            else:
                faults.append(found)
    return Manifest(tuple(documents), tuple(faults))


def _file(file: str, text: str) -> Iterator[Document | Fault]:
    try:
        for tree in read(text):
            if tree.faults:
                yield from (Fault(f"{file}:{line}", field_text(path), said) for path, line, said in tree.faults)
            elif tree.value is not None:
                yield from _document(file, tree)
    except NotYaml as error:
        yield Fault(f"{file}:{error.line}", "", str(error))


def _document(file: str, tree: Tree) -> Iterator[Document | Fault]:
    def fault(path: Path, message: str) -> Fault:
        return Fault(place_of(file, tree.lines, path), field_text(path), message)

    if not isinstance(tree.value, dict):
        yield fault((), f"{_shown(tree.value)} is not a definition: it needs the keys kind, name and spec")
        return
    envelope, refused = _validated(Envelope, tree.value, ())
    yield from (fault(path, message) for path, message in refused)
    # The specification is checked even where the envelope is wrong, so that one run shows all there is to mend.
    kind, written = tree.value.get("kind"), tree.value.get("spec")
    model = KINDS.get(kind) if isinstance(kind, str) else None
    if model is None:
        if isinstance(kind, str):
            yield fault(("kind",), f"{_shown(kind)} is not a kind of definition{_nearest(kind, KINDS)}")
        return
    if not isinstance(written, dict):
        return
    spec, refused = _validated(model, written, ("spec",))
    yield from (fault(path, message) for path, message in refused)
    if envelope is None or spec is None:
        return
    if envelope.effective_from is not None and not spec.dated:
        yield fault(("effective_from",), f"a {kind} has no effective_from: its own dates say when it holds")
        return
    since_us = 0 if envelope.effective_from is None else instants.parse(envelope.effective_from)
    yield Document(envelope.kind, envelope.name, since_us, spec, place_of(file, tree.lines, ()), file, tree.lines)


def _validated(model: type[Model], value: dict[str, Any], at: Path) -> tuple[Model | None, list[tuple[Path, str]]]:
    """The checked value, or what is wrong with it: (path from the top of the document, message)."""
    try:
        return model.model_validate(value), []
    except ValidationError as error:
        found = error.errors(include_url=False)
        return None, [((*at, *_written(each["loc"], value)), _message(model, each)) for each in found]


def _written(location: Path, value: Any) -> Path:
    """The location without what the validator adds to it: where the fault is in a key, and which one of several models was meant."""
    steps: list[str | int] = []
    for place, step in enumerate(location):
        if step == "[key]":
            continue
        if isinstance(value, dict) and step not in value and (place < len(location) - 1 or step in value.values()):
            continue
        steps.append(step)
        try:
            value = value[step]
        except (KeyError, IndexError, TypeError):
            value = None
    return tuple(steps)


def _message(model: type[BaseModel], found: ErrorDetails) -> str:
    if found["type"] == "missing":
        return "is missing"
    if found["type"] == "extra_forbidden":
        key = str(found["loc"][-1])
        return f"{_shown(key)} is not a known key{_nearest(key, _keys_at(model, found['loc'][:-1]))}"
    if found["type"] == "value_error":
        return str(found["ctx"]["error"])
    said = found["msg"]
    return f"{_shown(found['input'])} is refused: {said[0].lower()}{said[1:]}"


def _keys_at(model: type[BaseModel], path: Path) -> list[str]:
    """The keys that may stand at a path: follows field names, and through lists, down the models."""
    for place, step in enumerate(path):
        if isinstance(step, str) and step in model.model_fields:
            inner = list(_models_in(model.model_fields[step].annotation))
            if not inner:
                return []
            # Of several models the validator says which was meant, by the word that tells them apart.
            meant = path[place + 1] if place + 1 < len(path) else None
            model = next((each for each in inner if _is_told_by(each, meant)), inner[0])
    return [field.alias or name for name, field in model.model_fields.items()]


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _models_in(argument)


def _is_told_by(model: type[BaseModel], word: object) -> bool:
    return isinstance(word, str) and any(word in get_args(each.annotation) for each in model.model_fields.values())


def _nearest(word: str, words: Iterable[str]) -> str:
    known = sorted(words)
    near = difflib.get_close_matches(word, known, n=1)
    return f"; did you mean {near[0]!r}?" if near else f"; known are {', '.join(known)}" if known else ""


def _shown(value: object) -> str:
    written = repr(value)
    return written if len(written) <= SHOWN_LENGTH_MAX else written[: SHOWN_LENGTH_MAX - 3] + "..."
