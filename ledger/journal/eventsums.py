"""What events add up to by the hour, as one question to the tables: each (source, id) counts once, as it was accepted first.

Millions of events have few tenants, but every one may have properties that no other has. So only those properties that are asked
about leave the tables, as a JSON object, and equal ones are added up there. Where it is not certain that the tables read a JSON
text as everybody else does, it leaves them whole: texts with escapes, long ones, names that stand twice, values that are no text.

That events come twice is rare. Which ones do is found by a hash, which costs a tenth of comparing their names, and is asked once for all
types; only those are compared.

An event that an operator has amended is left out as it came, and stands as the newest amendment says. Where there are no
amendments, as in nearly every book, the question does not mention them.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from ledger.journal.registers import RANK, REGISTER, hashed
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


_COLUMNS = "origin, source, id, tenant, type, time, value, properties"


def _counted(is_amended: bool) -> str:
    """Every event once, as it was accepted first, or as it was amended; parameters as of :data:`REPEATED`."""
    once = (
        f"WITH {_KNOWN},"  # noqa: S608 - names are parameters
        # The first of an id may have another type or time, and then none of the later ones counts.
        " first AS (SELECT * FROM known SEMI JOIN many USING (key) QUALIFY row_number() OVER (PARTITION BY source, id"
        "   ORDER BY position, time, type, tenant, origin, value, properties) = 1),"
        f" {'once' if is_amended else 'counted'} AS (SELECT {_COLUMNS} FROM known ANTI JOIN many USING (key)"
        f"  UNION ALL SELECT {_COLUMNS} FROM first)"
    )
    if not is_amended:
        return once
    return (
        f"{once},"  # noqa: S608
        f" counted AS (SELECT {_COLUMNS} FROM once ANTI JOIN amended USING (source, id)"
        f"  UNION ALL SELECT {_COLUMNS} FROM amended WHERE is_void = 0)"
    )


def sql(
    names: Sequence[str], step_us: int = HOUR_US, *, by_value: bool = False, is_amended: bool = False
) -> tuple[str, list[str]]:
    """The question, and the parameters behind position, start, end (microseconds) and type: for events with properties ``names``.

    It names a table ``many`` of what :data:`REPEATED` gives for the same position, start and end. Columns of the answer: origin,
    tenant, step_us (where a step of so many microseconds begins), told (JSON object with the properties), value, events (their
    number). The value is the sum of theirs, or one that all of them have where they are told apart ``by_value``. Where there are
    amendments it names a table ``amended`` of the newest of each event, with the columns of ``amendments``.
    """
    told, paths = _told(names, first=5)
    value = "value" if by_value else "sum(value)::DECIMAL(38, 9) AS value"
    # Division rounds towards zero, and there are times before 1970.
    step = f"(epoch_us(time) - ((epoch_us(time) % {step_us}) + {step_us}) % {step_us}) AS step_us"
    question = (
        f"{_counted(is_amended)} SELECT origin, tenant, {step}, {told} AS told, {value}, count(*) AS events FROM counted"  # noqa: S608
        " WHERE type = $4 AND time >= make_timestamp($2) AND time < make_timestamp($3)"
        " GROUP BY ALL ORDER BY origin, tenant, step_us, told, value"
    )
    return question, paths


def points(names: Sequence[str], *, is_amended: bool = False) -> tuple[str, list[str]]:
    """The same for events one by one: origin, tenant, told, time_us and value; by time, and at the same time by source and id."""
    told, paths = _told(names, first=5)
    question = (
        f"{_counted(is_amended)} SELECT origin, tenant, {told} AS told, epoch_us(time) AS time_us, value FROM counted"  # noqa: S608
        " WHERE type = $4 AND time >= make_timestamp($2) AND time < make_timestamp($3) ORDER BY time, source, id"
    )
    return question, paths


def examples(names: Sequence[str], *, is_amended: bool = False) -> tuple[str, list[str]]:
    """The same by what events say, told apart by value: origin, tenant, told, value, events, and of the earliest of them time_us,
    source and id.
    """
    told, paths = _told(names, first=5)
    question = (
        f"{_counted(is_amended)} SELECT origin, tenant, {told} AS told, value, count(*) AS events,"  # noqa: S608
        " epoch_us(min(time)) AS time_us, arg_min(source, (time, source, id)) AS source, arg_min(id, (time, source, id)) AS id"
        " FROM counted WHERE type = $4 AND time >= make_timestamp($2) AND time < make_timestamp($3)"
        " GROUP BY ALL ORDER BY time_us, source, id"
    )
    return question, paths


def first(*, is_amended: bool = False) -> str:
    """When the first event of a type is (``value``, in microseconds); parameter 5 is its tenant, empty for any."""
    return (
        f"{_counted(is_amended)} SELECT epoch_us(min(time)) AS value FROM counted"  # noqa: S608
        " WHERE type = $4 AND time >= make_timestamp($2) AND time < make_timestamp($3) AND $5 IN ('', tenant)"
    )


def batches(names: Sequence[str], *, is_amended: bool = False) -> tuple[str, list[str]]:
    """In which records events came first: position, and how many of them it has (``rows``); parameters as of :func:`sql`.

    Of those only that agree in origin, tenant and told with a row of a table ``mine``.
    """
    told, paths = _told(names, first=5)
    question = (
        f"{_counted(is_amended)}, wanted AS (SELECT source, id FROM (SELECT *, {told} AS told FROM counted"  # noqa: S608
        "   WHERE type = $4 AND time >= make_timestamp($2) AND time < make_timestamp($3)) AS each"
        "  SEMI JOIN mine USING (origin, tenant, told)),"
        " came AS (SELECT source, id, min(position) AS position FROM known SEMI JOIN wanted USING (source, id) GROUP BY ALL)"
        " SELECT position, count(*) AS rows FROM came GROUP BY position ORDER BY position"
    )
    return question, paths


def registers(
    names: Sequence[str], of: str, step_us: int = HOUR_US, *, is_amended: bool = False
) -> tuple[str, list[str]]:
    """Of how many values a property ``of`` has the registers (see ``registers``) that events with properties ``names`` met, by the
    step; parameters as of :func:`sql`.

    Columns of the answer: origin, tenant, told, step_us, register, rank. Where it is not certain what a text of properties says,
    it is told whole, and the register is null: whoever reads it as everybody else does has to look what the value is.
    """
    met, more = _met(names, step_us, is_amended=is_amended)
    question = (
        f"{met}, hashes AS (SELECT *, {hashed('value')} AS hashed FROM met)"  # noqa: S608
        f" SELECT origin, tenant, told, step_us, {REGISTER} AS register, max({RANK}) AS rank FROM hashes"
        " WHERE hashed IS NOT NULL OR NOT is_sure GROUP BY ALL ORDER BY origin, tenant, told, step_us, register"
    )
    return question, [_pointer(of), *more]


def tellers(
    names: Sequence[str], of: str, step_us: int = HOUR_US, *, is_amended: bool = False
) -> tuple[str, list[str]]:
    """Who told of a property ``of``, and in which steps: origin, tenant, told, step_us and is_sure, each once; as of :func:`registers`."""
    met, more = _met(names, step_us, is_amended=is_amended)
    question = (
        f"{met} SELECT DISTINCT origin, tenant, told, step_us, is_sure FROM met WHERE value IS NOT NULL OR NOT is_sure"  # noqa: S608
        " ORDER BY origin, tenant, told, step_us, is_sure"
    )
    return question, [_pointer(of), *more]


def values(names: Sequence[str], of: str, step_us: int = HOUR_US, *, is_amended: bool = False) -> tuple[str, list[str]]:
    """How many different values a property ``of`` has: key, window_us and values; parameters as of :func:`sql`.

    It names a table ``mine`` of the tellers that count (origin, tenant, told, from low_us and before high_us, and their key), a table
    ``windows`` of the windows of steps (step_us, window_us), and a table ``doubtful`` of what more there is (key, window_us, value).
    """
    met, more = _met(names, step_us, is_amended=is_amended)
    question = (
        f"{met}, all_values AS (SELECT key, window_us, value FROM met JOIN mine USING (origin, tenant, told) JOIN windows USING (step_us)"  # noqa: S608
        "   WHERE is_sure AND value IS NOT NULL AND time_us >= low_us AND time_us < high_us UNION SELECT * FROM doubtful)"
        ' SELECT key, window_us, count(*) AS "values" FROM all_values GROUP BY ALL ORDER BY ALL'
    )
    return question, [_pointer(of), *more]


def _met(names: Sequence[str], step_us: int, *, is_amended: bool) -> tuple[str, list[str]]:
    """A table ``met`` of events: origin, tenant, told, time_us, step_us, is_sure, and the value of the property that parameter 5 points to.

    Where it is not certain what a text of properties says, it is told whole, and the value is null.
    """
    told, more = _members(names, first=6)
    doubts = " ".join(f"WHEN NOT ({each}) THEN false" for each in _sure(_values(1 + len(names), first=5)))
    step = f"(epoch_us(time) - ((epoch_us(time) % {step_us}) + {step_us}) % {step_us}) AS step_us"
    question = (
        f"{_counted(is_amended)}, chosen AS (SELECT *, CASE {doubts} ELSE true END AS is_sure FROM counted"  # noqa: S608
        "   WHERE type = $4 AND time >= make_timestamp($2) AND time < make_timestamp($3)),"
        f" met AS (SELECT origin, tenant, epoch_us(time) AS time_us, {step}, CASE WHEN is_sure THEN {told} ELSE properties END AS told, is_sure,"
        "   CASE WHEN is_sure THEN json_extract_string(properties, $5) END AS value FROM chosen)"
    )
    return question, more


def _told(names: Sequence[str], first: int) -> tuple[str, list[str]]:
    members, more = _members(names, first)
    if not names:
        return members, more
    doubts = " ".join(f"WHEN NOT ({each}) THEN properties" for each in _sure(_values(len(names), first)))
    return f"CASE {doubts} ELSE {members} END", more


def _members(names: Sequence[str], first: int) -> tuple[str, list[str]]:
    """The JSON object with these properties, where it is certain what they are."""
    if not names:
        return "'{}'", []
    paths = [_pointer(name) for name in names]
    members = []
    for place, (name, value) in enumerate(zip(names, _values(len(names), first), strict=True)):
        comma = "," if place else ""
        members.append(f"${first + len(names) + place} || coalesce({value}::VARCHAR, 'null')")
        paths.append(f"{comma}{json.dumps(name, ensure_ascii=False)}:")
    return f"'{{' || {' || '.join(members)} || '}}'", paths


def _values(count: int, first: int) -> list[str]:
    return [f"json_extract(properties, ${first + place})" for place in range(count)]


def _sure(values: Sequence[str]) -> list[str]:
    """What must hold for it to be certain what a text of properties says of some values."""
    # To be looked at one after the other, as cases are: what is no JSON is not asked for its type.
    keys = "json_keys(properties)"
    return [
        f"length(properties) <= {_SURE_LENGTH_MAX}",
        "NOT contains(properties, '\\')",
        "json_valid(properties)",
        "json_type(properties) = 'OBJECT'",
        f"len({keys}) = len(list_distinct({keys}))",
        *(f"coalesce(json_type({value}), 'NULL') IN ('VARCHAR', 'NULL')" for value in values),
    ]


def _pointer(name: str) -> str:
    """A JSON pointer (RFC 6901), since a path has no way to write every name."""
    return "/" + name.replace("~", "~0").replace("/", "~1")
