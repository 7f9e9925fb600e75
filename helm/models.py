"""What may stand below ``config`` in the values of a chart, as the agent's and the ledger's own models describe it.

Only what the chart leaves to its user is taken of them: addresses, files and names follow from other values.
"""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from agent import config as agent_config
from agent.rules import TagsConfig
from collector import registry
from ledger.server import config as ledger_config
from meterbook.tracing import Tracing

Schema = dict[str, Any]

#: Of a model that the chart fills itself, what is left.
_LEDGER_FIELDS = ("in_flight_max", "ack_timeout_s")
_SPOOL_FIELDS = ("bytes_max", "age_max_s", "when_full")
_PROOF_FIELDS = ("origin", "replace_lost_key", "witness_every_s")


def known(chart: str, definitions: Schema) -> dict[str, Schema]:
    """By the paths of settings; what they refer to is added to ``definitions``."""
    if chart == "ledger":
        parts = ledger_config.LedgerConfig.model_fields
        found = {
            f"config.{name}": _refer(type(parts[name].default), name, definitions)
            for name in ("intake", "retention", "metering", "queries", "entitlements", "proof")
        }
        _keep(definitions["proof"], _PROOF_FIELDS)
        return found | {"config.tracing": _refer(Tracing, "tracing", definitions)}
    found = {
        "config.ledger": _refer(agent_config.LedgerConfig, "ledger", definitions),
        "config.spool": _refer(agent_config.SpoolConfig, "spool", definitions),
        "config.schedule": _refer(agent_config.ScheduleConfig, "schedule", definitions),
        "config.tags": _refer(TagsConfig, "tags", definitions),
        "config.tracing": _refer(Tracing, "tracing", definitions),
        "config.sources": {"type": "array", "items": _source(definitions)},
    }
    _keep(definitions["ledger"], _LEDGER_FIELDS)
    _keep(definitions["spool"], _SPOOL_FIELDS)
    return found


def _source(definitions: Schema) -> Schema:
    """A source of any kind: which fields it has follows from its kind."""
    kinds = registry.kinds()
    return {
        "type": "object",
        "required": ["kind"],
        "properties": {"kind": {"enum": kinds}},
        "allOf": [
            {
                "if": {"properties": {"kind": {"const": kind}}, "required": ["kind"]},
                "then": _refer(registry.plugin(kind).config, f"source.{kind}", definitions),
            }
            for kind in kinds
        ],
    }


def _refer(model: type[BaseModel], name: str, definitions: Schema) -> Schema:
    """The schema of a model under a name of its own, with those of its parts."""
    found = model.model_json_schema(ref_template=f"#/$defs/{name}.{{model}}")
    for part, inner in found.pop("$defs", {}).items():
        definitions[f"{name}.{part}"] = _plain(inner)
    definitions[name] = _plain(found)
    return {"$ref": f"#/$defs/{name}"}


def _keep(schema: Schema, fields: tuple[str, ...]) -> None:
    schema["properties"] = {name: schema["properties"][name] for name in fields}
    schema["required"] = [name for name in schema.get("required", ()) if name in fields]


def _plain(schema: Any, *, names_fields: bool = False) -> Any:
    """Without titles, which repeat names, and defaults, which are the model's to know."""
    if isinstance(schema, list):
        return [_plain(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        key: _plain(value, names_fields=key == "properties" and not names_fields)
        for key, value in schema.items()
        if names_fields or key not in ("title", "default")
    }
