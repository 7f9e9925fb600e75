"""What events add up to by the hour, as one question to the tables: each (source, id) counts once, as it was accepted first.

Millions of events have few tenants, but every one may have properties that no other has. So only those properties that are asked
about leave the tables, as a JSON object, and equal ones are added up there. Where it is not certain that the tables read a JSON
text as everybody else does, it leaves them whole: texts with escapes, long ones, names that stand twice, values that are no text.

That events come twice is rare. Which ones do is found by a hash, which costs a tenth of comparing their names, and is asked once for all
types; only those are compared. A question about few events looks for the others of these; one about many finds out for all that there are, once,
since what has to be looked up must fit into memory.

An event that an operator has amended is left out as it came, and stands as the newest amendment says. Where there are no
amendments, as in nearly every book, the question does not mention them.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import NamedTuple

from ledger.journal.registers import RANK, REGISTER, hashed
from meterbook.wire.instants import HOUR_US

#: A text this short has no brackets so deep that a reader gives up.
_SURE_LENGTH_MAX = 900


# Nothing of it is kept: the tables would hold all events in memory.
_KNOWN = "known AS NOT MATERIALIZED (SELECT *, hash(source, id) AS key FROM events WHERE position <= $1)"

#: Hashes (``key``) that several events have: of all events, or where one of them at least came after a position, which is parameter 2, and those of a
#: table ``before``; parameter 1 is the position.
REPEATED_EVER = f"WITH {_KNOWN} SELECT key FROM known GROUP BY key HAVING count(*) > 1"  # noqa: S608 - there is nothing in it that anybody gave
REPEATED_SINCE = (
    f"WITH {_KNOWN}, fresh AS NOT MATERIALIZED (SELECT key FROM known WHERE position > $2)"  # noqa: S608
    " SELECT key FROM known SEMI JOIN fresh USING (key) GROUP BY key HAVING count(*) > 1 UNION SELECT key FROM before"
)
#: The same where one at least lies between start and end; parameters position, start and end.
REPEATED = (
    f"WITH {_KNOWN},"  # noqa: S608
    " near AS NOT MATERIALIZED (SELECT key FROM known WHERE time >= make_timestamp($2) AND time < make_timestamp($3))"
    " SELECT key FROM known SEMI JOIN near USING (key) GROUP BY key HAVING count(*) > 1"
)


_COLUMNS = "origin, source, id, tenant, type, time, value, properties"


class Oddities(NamedTuple):
    """Whether any events came several times, and whether any were amended; what there is none of is not asked for."""

    are_repeated: bool = True
    are_amended: bool = False


def _counted(odd: Oddities) -> str:
    """Every event once, as it was accepted first, or as it was amended; parameters as of :data:`REPEATED`."""
    name = "once" if odd.are_amended else "counted"
    once = f"WITH {_KNOWN}, {name} AS NOT MATERIALIZED (SELECT {_COLUMNS} FROM known)"  # noqa: S608 - names are parameters
    if odd.are_repeated:
        once = (
            f"WITH {_KNOWN},"  # noqa: S608
            # The first of an id may have another type or time, and then none of the later ones counts.
            " first AS (SELECT * FROM known SEMI JOIN many USING (key) QUALIFY row_number() OVER (PARTITION BY source, id"
            "   ORDER BY position, time, type, tenant, origin, value, properties) = 1),"
            f" {name} AS (SELECT {_COLUMNS} FROM known ANTI JOIN many USING (key) UNION ALL SELECT {_COLUMNS} FROM first)"
        )
    if not odd.are_amended:
        return once
    return (
        f"{once},"  # noqa: S608
        f" counted AS (SELECT {_COLUMNS} FROM once ANTI JOIN amended USING (source, id)"
        f"  UNION ALL SELECT {_COLUMNS} FROM amended WHERE is_void = 0)"
    )


ODD = Oddities()


def sql(
    names: Sequence[str], step_us: int = HOUR_US, *, by_value: bool = False, odd: Oddities = ODD
) -> tuple[str, list[str]]:
    """The question, and the parameters behind position, start, end (microseconds) and type: for events with properties ``names``.

    It names a table ``many`` of what :data:`REPEATED` gives for the same position, start and end. Columns of the answer: origin,
    tenant, step_us (where a step of so many microseconds begins), told (JSON object with the properties), value, events (their
    number). The value is the sum of theirs, or one that all of them have where they are told apart ``by_value``. Where there are
    amendments it names a table ``amended`` of the newest of each event, with the columns of ``amendments``.
    """
    told, paths = _told(names, first=5)
    value = "value" if by_value else "sum(value)::DECIMAL(38, 9) AS value"
    question = (
        f"{_counted(odd)} SELECT origin, tenant, {_step(step_us)}, {told} AS told, {value}, count(*) AS events FROM counted"  # noqa: S608
        " WHERE type = $4 AND time >= make_timestamp($2) AND time < make_timestamp($3)"
        " GROUP BY ALL ORDER BY origin, tenant, step_us, told, value"
    )
    return question, paths


def points(names: Sequence[str], *, odd: Oddities = ODD) -> tuple[str, list[str]]:
    """The same for events one by one: origin, tenant, told, time_us and value; by time, and at the same time by source and id."""
    told, paths = _told(names, first=5)
    question = (
        f"{_counted(odd)} SELECT origin, tenant, {told} AS told, epoch_us(time) AS time_us, value FROM counted"  # noqa: S608
        " WHERE type = $4 AND time >= make_timestamp($2) AND time < make_timestamp($3) ORDER BY time, source, id"
    )
    return question, paths


def examples(names: Sequence[str], *, odd: Oddities = ODD) -> tuple[str, list[str]]:
    """The same by what events say, told apart by value: origin, tenant, told, value, events, and of the earliest of them time_us,
    source and id.
    """
    told, paths = _told(names, first=5)
    question = (
        f"{_counted(odd)} SELECT origin, tenant, {told} AS told, value, count(*) AS events,"  # noqa: S608
        " epoch_us(min(time)) AS time_us, arg_min(source, (time, source, id)) AS source, arg_min(id, (time, source, id)) AS id"
        " FROM counted WHERE type = $4 AND time >= make_timestamp($2) AND time < make_timestamp($3)"
        " GROUP BY ALL ORDER BY time_us, source, id"
    )
    return question, paths


def first(*, odd: Oddities = ODD) -> str:
    """When the first event of a type is (``value``, in microseconds); parameter 5 is its tenant, empty for any."""
    return (
        f"{_counted(odd)} SELECT epoch_us(min(time)) AS value FROM counted"  # noqa: S608
        " WHERE type = $4 AND time >= make_timestamp($2) AND time < make_timestamp($3) AND $5 IN ('', tenant)"
    )


def batches(names: Sequence[str], *, odd: Oddities = ODD) -> tuple[str, list[str]]:
    """In which records events came first: position, and how many of them it has (``rows``); parameters as of :func:`sql`.

    Of those only that agree in origin, tenant and told with a row of a table ``mine``.
    """
    told, paths = _told(names, first=5)
    question = (
        f"{_counted(odd)}, wanted AS (SELECT source, id FROM (SELECT *, {told} AS told FROM counted"  # noqa: S608
        "   WHERE type = $4 AND time >= make_timestamp($2) AND time < make_timestamp($3)) AS each"
        "  SEMI JOIN mine USING (origin, tenant, told)),"
        " came AS (SELECT source, id, min(position) AS position FROM known SEMI JOIN wanted USING (source, id) GROUP BY ALL)"
        " SELECT position, count(*) AS rows FROM came GROUP BY position ORDER BY position"
    )
    return question, paths


def registers(names: Sequence[str], of: str, step_us: int = HOUR_US, *, odd: Oddities = ODD) -> tuple[str, list[str]]:
    """Of how many values a property ``of`` has the registers (see ``registers``) that events with properties ``names`` met, by the
    step; parameters as of :func:`sql`.

    Columns of the answer: origin, tenant, told, step_us, register, rank. Where it is not certain what a text of properties says,
    it is told whole, and the register is null: whoever reads it as everybody else does has to look what the value is.
    """
    met, more = _met(names, of, step_us, odd)
    question = (
        f"{met}, hashes AS (SELECT *, {hashed('value')} AS hashed FROM met)"  # noqa: S608
        f" SELECT origin, tenant, told, step_us, {REGISTER} AS register, max({RANK}) AS rank FROM hashes"
        " WHERE hashed IS NOT NULL OR NOT is_sure GROUP BY ALL ORDER BY origin, tenant, told, step_us, register"
    )
    return question, more


def different(names: Sequence[str], of: str, step_us: int = HOUR_US, *, odd: Oddities = ODD) -> tuple[str, list[str]]:
    """Who told of a property ``of`` in which windows, and how many different values: origin, tenant, told, window_us, is_sure and values;
    as of :func:`registers`.

    The values are those that all origins have told together. It names a table ``windows`` of the windows of steps (step_us, window_us).
    """
    met, more = _met(names, of, step_us, odd)
    question = (
        f"{met}, found AS MATERIALIZED (SELECT DISTINCT origin, tenant, told, window_us, is_sure, value FROM met JOIN windows USING (step_us)"  # noqa: S608
        "   WHERE value IS NOT NULL OR NOT is_sure),"
        ' sums AS (SELECT tenant, told, window_us, is_sure, count(*) AS "values" FROM'
        "   (SELECT DISTINCT tenant, told, window_us, is_sure, value FROM found) GROUP BY ALL)"
        ' SELECT origin, tenant, told, window_us, is_sure, "values" FROM'
        "   (SELECT DISTINCT origin, tenant, told, window_us, is_sure FROM found) JOIN sums USING (tenant, told, window_us, is_sure)"
        " ORDER BY origin, tenant, told, window_us, is_sure"
    )
    return question, more


def united(names: Sequence[str], of: str, step_us: int = HOUR_US, *, odd: Oddities = ODD) -> tuple[str, list[str]]:
    """How many different values a property ``of`` has for keys that several told of: key, window_us and values; as of :func:`different`.

    It names a table ``mine`` of those who count (origin, tenant, told, from low_us and before high_us, and their key), and a table ``doubtful`` of
    what more there is (key, window_us, value).
    """
    met, more = _met(names, of, step_us, odd)
    question = (
        f"{met}, all_values AS (SELECT key, window_us, value FROM met JOIN mine USING (origin, tenant, told) JOIN windows USING (step_us)"  # noqa: S608
        "   WHERE is_sure AND value IS NOT NULL AND time_us >= low_us AND time_us < high_us UNION SELECT * FROM doubtful)"
        ' SELECT key, window_us, count(*) AS "values" FROM all_values GROUP BY ALL ORDER BY ALL'
    )
    return question, more


def steps(step_us: int, *, odd: Oddities = ODD) -> str:
    """In which steps there are events of a type: step_us; parameters as of :func:`sql`."""
    return (
        f"{_counted(odd)} SELECT DISTINCT {_step(step_us)} FROM counted"  # noqa: S608
        " WHERE type = $4 AND time >= make_timestamp($2) AND time < make_timestamp($3) ORDER BY step_us"
    )


def _met(names: Sequence[str], of: str, step_us: int, odd: Oddities) -> tuple[str, list[str]]:
    """A table ``met`` of events: origin, tenant, told, time_us, step_us, is_sure, and the value of a property; with parameters from the 5th on.

    Where it is not certain what a text of properties says, it is told whole, and the value is null.
    """
    told, more = _members(names, first=6)
    doubts = " ".join(f"WHEN NOT ({each}) THEN false" for each in _sure(1 + len(names), 5, 6 + len(more)))
    question = (
        f"{_counted(odd)}, chosen AS (SELECT *, CASE {doubts} ELSE true END AS is_sure FROM counted"  # noqa: S608
        "   WHERE type = $4 AND time >= make_timestamp($2) AND time < make_timestamp($3)),"
        f" met AS (SELECT origin, tenant, epoch_us(time) AS time_us, {_step(step_us)}, CASE WHEN is_sure THEN {told} ELSE properties END AS told, is_sure,"
        "   CASE WHEN is_sure THEN json_extract_string(properties, $5) END AS value FROM chosen)"
    )
    return question, [_pointer(of), *more, _quoted(of), *map(_quoted, names)]


def _step(step_us: int) -> str:
    # Division rounds towards zero, and there are times before 1970.
    return f"(epoch_us(time) - ((epoch_us(time) % {step_us}) + {step_us}) % {step_us}) AS step_us"


def _told(names: Sequence[str], first: int) -> tuple[str, list[str]]:
    members, more = _members(names, first)
    if not names:
        return members, more
    doubts = " ".join(f"WHEN NOT ({each}) THEN properties" for each in _sure(len(names), first, first + len(more)))
    return f"CASE {doubts} ELSE {members} END", [*more, *map(_quoted, names)]


def _members(names: Sequence[str], first: int) -> tuple[str, list[str]]:
    """The JSON object with these properties, where it is certain what they are."""
    if not names:
        return "'{}'", []
    paths = [_pointer(name) for name in names]
    members = []
    for place, name in enumerate(names):
        comma = "," if place else ""
        value = f"json_extract(properties, ${first + place})"
        members.append(f"${first + len(names) + place} || coalesce({value}::VARCHAR, 'null')")
        paths.append(f"{comma}{_quoted(name)}:")
    return f"'{{' || {' || '.join(members)} || '}}'", paths


def _sure(count: int, pointers: int, quoted: int) -> list[str]:
    """What must hold for it to be certain what a text of properties says of some names, given the numbers of the first of their parameters."""
    # To be looked at one after the other, as cases are: what is no JSON is not asked for its type.
    seen = "length(properties) - length(replace(properties, ${0}, '')) <= length(${0})"
    return [
        f"length(properties) <= {_SURE_LENGTH_MAX}",
        "NOT contains(properties, '\\')",
        "json_valid(properties)",
        "json_type(properties) = 'OBJECT'",
        # A name that stands there twice may do so in one object, and then readers differ in what it means.
        *(seen.format(quoted + place) for place in range(count)),
        *(
            f"coalesce(json_type(properties, ${pointers + place}), 'NULL') IN ('VARCHAR', 'NULL')"
            for place in range(count)
        ),
    ]


def _quoted(name: str) -> str:
    return json.dumps(name, ensure_ascii=False)


def _pointer(name: str) -> str:
    """A JSON pointer (RFC 6901), since a path has no way to write every name."""
    return "/" + name.replace("~", "~0").replace("/", "~1")
