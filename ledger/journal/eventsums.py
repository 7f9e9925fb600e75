"""What events add up to by the hour, as one question to the tables: each (source, id) counts once, as it was accepted first.

Millions of events have few tenants, but every one may have properties that no other has. So only those properties that are asked
about leave the tables, as a JSON object, and equal ones are added up there. Where it is not certain that the tables read a JSON
text as everybody else does, it leaves them whole: texts with escapes, long ones, names that stand twice, values that are no text.

That events come twice is rare. Which ones do is found by a hash, which costs a tenth of comparing their names, and is asked once for all
types; only those are compared.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from meterbook.wire.instants import HOUR_US

#: A text this short has no brackets so deep that a reader gives up.
_SURE_LENGTH_MAX = 900


# Nothing of it is kept: the tables would hold all events in memory.
_KNOWN = "known AS NOT MATERIALIZED (SELECT *, hash(source, id) AS key FROM events WHERE position <= $1)"

#: Hashes (``key``) that several events have, one of which at least lies between start and end; parameters position, start and end.
REPEATED = (
    f"WITH {_KNOWN},"  # noqa: S608 - there is nothing in it that anybody gave
    " near AS NOT MATERIALIZED (SELECT key FROM known WHERE time >= make_timestamp($2) AND time < make_timestamp($3))"
    " SELECT key FROM known SEMI JOIN near USING (key) GROUP BY key HAVING count(*) > 1"
)


#: Every event once, as it was accepted first; parameters as of :data:`REPEATED`.
_COUNTED = (
    f"WITH {_KNOWN},"  # noqa: S608 - names are parameters
    # The first of an id may have another type or time, and then none of the later ones counts.
    " first AS (SELECT * FROM known SEMI JOIN many USING (key) QUALIFY row_number() OVER (PARTITION BY source, id"
    "   ORDER BY position, time, type, tenant, origin, value, properties) = 1),"
    " counted AS (SELECT origin, source, id, tenant, type, time, value, properties FROM known ANTI JOIN many USING (key)"
    "  UNION ALL SELECT origin, source, id, tenant, type, time, value, properties FROM first)"
)


def sql(names: Sequence[str], step_us: int = HOUR_US, *, by_value: bool = False) -> tuple[str, list[str]]:
    """The question, and the parameters behind position, start, end (microseconds) and type: for events with properties ``names``.

    It names a table ``many`` of what :data:`REPEATED` gives for the same position, start and end. Columns of the answer: origin,
    tenant, step_us (where a step of so many microseconds begins), told (JSON object with the properties), value, events (their
    number). The value is the sum of theirs, or one that all of them have where they are told apart ``by_value``.
    """
    told, paths = _told(names, first=5)
    value = "value" if by_value else "sum(value)::DECIMAL(38, 9) AS value"
    # Division rounds towards zero, and there are times before 1970.
    step = f"(epoch_us(time) - ((epoch_us(time) % {step_us}) + {step_us}) % {step_us}) AS step_us"
    question = (
        f"{_COUNTED} SELECT origin, tenant, {step}, {told} AS told, {value}, count(*) AS events FROM counted"  # noqa: S608
        " WHERE type = $4 AND time >= make_timestamp($2) AND time < make_timestamp($3)"
        " GROUP BY ALL ORDER BY origin, tenant, step_us, told, value"
    )
    return question, paths


def points(names: Sequence[str]) -> tuple[str, list[str]]:
    """The same for events one by one: origin, tenant, told, time_us and value; by time, and at the same time by source and id."""
    told, paths = _told(names, first=5)
    question = (
        f"{_COUNTED} SELECT origin, tenant, {told} AS told, epoch_us(time) AS time_us, value FROM counted"  # noqa: S608
        " WHERE type = $4 AND time >= make_timestamp($2) AND time < make_timestamp($3) ORDER BY time, source, id"
    )
    return question, paths


def _told(names: Sequence[str], first: int) -> tuple[str, list[str]]:
    if not names:
        return "'{}'", []
    # A JSON pointer (RFC 6901), since a path has no way to write every name.
    paths = ["/" + name.replace("~", "~0").replace("/", "~1") for name in names]
    values = [f"json_extract(properties, ${first + place})" for place in range(len(names))]
    keys = "json_keys(properties)"
    sure = [
        f"length(properties) <= {_SURE_LENGTH_MAX}",
        "NOT contains(properties, '\\')",
        "json_valid(properties)",
        "json_type(properties) = 'OBJECT'",
        f"len({keys}) = len(list_distinct({keys}))",
        *(f"coalesce(json_type({value}), 'NULL') IN ('VARCHAR', 'NULL')" for value in values),
    ]
    members = []
    for place, (name, value) in enumerate(zip(names, values, strict=True)):
        comma = "," if place else ""
        members.append(f"${first + len(names) + place} || coalesce({value}::VARCHAR, 'null')")
        paths.append(f"{comma}{json.dumps(name, ensure_ascii=False)}:")
    # Cases are looked at one after the other: what is no JSON is not asked for its type.
    doubts = " ".join(f"WHEN NOT ({each}) THEN properties" for each in sure)
    return f"CASE {doubts} ELSE '{{' || {' || '.join(members)} || '}}' END", paths
