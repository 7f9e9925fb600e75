"""JSON Schemas of definitions, so that editors complete what is written and a pipeline can refuse it early.

The schemas follow from the models that read definitions, so they never lag behind them. They say a little less: what must go together, or
be there in some other definition, only the ledger knows. And they must never say more, since an editor that marks what is right is soon ignored.

A YAML file is read as text (see ``ledger.schema.yamltext``), but an editor takes ``status: 200`` for a number and ``on`` for a truth. So
wherever text may stand any scalar may, and a decimal number may be written with quotes or without.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue, models_json_schema
from pydantic_core import core_schema

from ledger.directory.documents import KINDS
from ledger.schema.decimals import FRACTION_DIGITS_MAX, INTEGER_DIGITS_MAX
from ledger.schema.spec import NAME_LENGTH_MAX

DIALECT = "https://json-schema.org/draft/2020-12/schema"

_SCALAR = ["string", "number", "boolean"]
_DIGITS = rf"^[0-9]{{1,{INTEGER_DIGITS_MAX}}}(\.[0-9]{{1,{FRACTION_DIGITS_MAX}}})?$"


class _AsWritten(GenerateJsonSchema):
    """Schemas of what may be written, where that is more than what is made of it."""

    def decimal_schema(self, schema: core_schema.DecimalSchema) -> JsonSchemaValue:
        found = {key: schema[key] for key in ("le", "gt", "lt") if key in schema}
        names = {"le": "maximum", "gt": "exclusiveMinimum", "lt": "exclusiveMaximum"}
        limits = {names[key]: int(limit) for key, limit in found.items()}
        return {"anyOf": [{"type": "number", "minimum": 0, **limits}, {"type": "string", "pattern": _DIGITS}]}

    def str_schema(self, schema: core_schema.StringSchema) -> JsonSchemaValue:
        return {**super().str_schema(schema), "type": _SCALAR}

    def bool_schema(self, schema: core_schema.BoolSchema) -> JsonSchemaValue:
        # What editors of YAML 1.2 take for text is a truth here, too.
        return {"anyOf": [{"type": "boolean"}, {"enum": ["yes", "no", "on", "off", "true", "false"]}]}

    def int_schema(self, schema: core_schema.IntSchema) -> JsonSchemaValue:
        return {"anyOf": [super().int_schema(schema), {"type": "string", "pattern": "^-?[0-9]+$"}]}

    def function_before_schema(self, schema: core_schema.BeforeValidatorFunctionSchema) -> JsonSchemaValue:
        found = super().function_before_schema(schema)
        # One value may be written for a list of one, and one word for a mapping that begins with it.
        if found.get("type") == "array":
            return {"anyOf": [found, found["items"], {"type": _SCALAR}]}
        return {"anyOf": [found, {"type": _SCALAR}]} if "$ref" in found else found

    def model_schema(self, schema: core_schema.ModelSchema) -> JsonSchemaValue:
        found = super().model_schema(schema)
        decorators = schema["cls"].__pydantic_decorators__
        if any(each.info.mode == "before" for each in decorators.model_validators.values()):
            # Such a mapping has a short form: a value, or a list of them.
            return {"anyOf": [found, {"type": _SCALAR}, {"type": "array", "items": {"type": _SCALAR}}]}
        return found


def schema_of(kinds: Iterable[str]) -> dict[str, Any]:
    """The schema of a document of one of these kinds. Raises KeyError for one that there is not."""
    names = tuple(kinds)
    refs, shared = models_json_schema([(KINDS[name], "validation") for name in names], schema_generator=_AsWritten)
    documents = [_document(name, refs[KINDS[name], "validation"]) for name in names]
    top = documents[0] if len(documents) == 1 else {"title": "Definition", "anyOf": documents}
    return {"$schema": DIALECT, **top, "$defs": shared["$defs"]}


def _document(kind: str, spec: JsonSchemaValue) -> dict[str, Any]:
    properties: dict[str, Any] = {
        "kind": {"const": kind, "description": "Kind of the definition."},
        "name": {
            "type": _SCALAR,
            "minLength": 1,
            "maxLength": NAME_LENGTH_MAX,
            "description": "Name of the definition; with the kind, its identity.",
        },
        "spec": spec,
    }
    if KINDS[kind].dated:
        properties["effective_from"] = {
            "type": ["string", "null"],
            "description": "Since when it holds: RFC 3339, or a date for its midnight UTC; by default since ever.",
        }
    return {
        "title": kind,
        "type": "object",
        "properties": properties,
        "required": ["kind", "name", "spec"],
        "additionalProperties": False,
    }
