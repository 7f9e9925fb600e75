"""Faults of a configuration, told so that somebody can mend them without reading source code.

pydantic finds the faults; this module turns each into one sentence with the path, the value and what is allowed.
Two things need care. A misspelt key is answered with the nearest one that exists *at that place*, so the models
are walked along the path. And a configuration holds secrets: the value of a field that is one, by its type or by
any name on its path, is never repeated, nor is the value of an unknown key (``pasword: ...``), nor what stands
before the ``@`` of an address.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Sequence
from typing import Any, get_args

from pydantic import BaseModel, SecretBytes, SecretStr, ValidationError

_SECRET_NAME = re.compile(r"password|passwd|secret|token|credential|authorization|api_?key|cookie", re.IGNORECASE)
_USER_INFO = re.compile(r"(?<=//)[^/@\s]+(?=@)")
_SHOWN_CHARACTERS_MAX = 80


def mask(text: str) -> str:
    """The text with whatever stands before the ``@`` of an address hidden."""
    return _USER_INFO.sub("***", text)


def sentences(error: ValidationError, model: type[BaseModel], prefix: Sequence[str | int] = ()) -> list[str]:
    """One sentence per fault, each led by the path of the field: ``sources.0.interval_s: -3 must be ...``."""
    return [
        f"{dotted((*prefix, *fault['loc']))}: {_sentence(fault, model)}" for fault in error.errors(include_url=False)
    ]


def dotted(path: Sequence[str | int]) -> str:
    """A path as people write it; the whole document is called so."""
    return ".".join(str(part) for part in path) or "the document"


def nearest(word: str, allowed: Sequence[str]) -> str:
    """``did you mean 'x'?``, or what there is where nothing is near."""
    close = difflib.get_close_matches(word, allowed, n=1, cutoff=0.6)
    return f"did you mean {close[0]!r}?" if close else f"there is {', '.join(allowed)}"


def _sentence(fault: Any, model: type[BaseModel]) -> str:
    path, kind, message = fault["loc"], fault["type"], str(fault["msg"])
    if kind == "extra_forbidden":
        return f"no such key: {nearest(str(path[-1]), _keys(model, path[:-1]))}"
    if kind == "missing":
        return "is required and not given"
    if kind == "value_error":
        return message.removeprefix("Value error, ")
    allowed = message.replace("Input should be ", "must be ").replace("String should ", "must ")
    return f"{_shown(fault['input'], path, model)} {allowed}"


def _shown(value: object, path: Sequence[str | int], model: type[BaseModel]) -> str:
    if any(isinstance(part, str) and _SECRET_NAME.search(part) for part in path) or _is_secret(model, path):
        return "the value (hidden)"
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list | tuple):
        return "a list"
    text = mask(repr(value))
    return text if len(text) <= _SHOWN_CHARACTERS_MAX else text[:_SHOWN_CHARACTERS_MAX] + "..."


def _keys(model: type[BaseModel], path: Sequence[str | int]) -> list[str]:
    """The keys allowed at ``path`` under ``model``, as they are written in the file."""
    keys: dict[str, None] = {}
    for found in _walk(model, path):
        for inner in _models(found):
            keys.update(dict.fromkeys(field.alias or name for name, field in inner.model_fields.items()))
    return list(keys)


def _is_secret(model: type[BaseModel], path: Sequence[str | int]) -> bool:
    return any(_mentions(found, (SecretStr, SecretBytes)) for found in _walk(model, path))


def _walk(annotation: Any, path: Sequence[str | int]) -> list[Any]:
    """The annotations at ``path``. A part that is no field (an index, the name of a variant) changes nothing."""
    here: list[Any] = [annotation]
    for part in path:
        fields = [
            field.annotation
            for found in here
            for inner in _models(found)
            for name, field in inner.model_fields.items()
            if part in (name, field.alias)
        ]
        here = fields or here
    return here


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    else:
        for argument in get_args(annotation):
            yield from _models(argument)


def _mentions(annotation: Any, kinds: tuple[type, ...]) -> bool:
    return annotation in kinds or any(_mentions(argument, kinds) for argument in get_args(annotation))
