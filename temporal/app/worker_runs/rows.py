"""The rows of a CSV file as runs of an agent: read and checked as a whole before the first one starts.

Rule: the key of a row's run is made of the agent, the file's bytes, what was given beside it and the row's number. So the
same command again finds the runs that it has made, and a changed file makes new ones.
"""

import csv
import hashlib
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pydantic import JsonValue

from perdure.temporal.app.console.refused import Refused
from perdure.temporal.app.worker_runs.inputs import Schemas, read_value
from perdure.temporal.definitions.inputs import InputProblem, check_values

#: The column of what the agent is told, unless the agent has an input of this name.
MESSAGE: Final = "message"
#: Rows that are told of in one error.
_TOLD: Final = 10
#: Characters of one cell.
_CELL: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Row:
    #: From 1.
    number: int
    #: The line on which it begins, from 1.
    line: int
    #: As they stand in the file, by column.
    cells: dict[str, str]
    #: The body of the request.
    body: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Table:
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    #: Of the agent, the file and what was given beside it.
    sha256: str


def read_table(file: Path, agent: str, schemas: Schemas, given: Mapping[str, JsonValue], message: str | None) -> Table:
    """`given` are inputs that each row has, `message` is what each is told. Raises `Refused`, which names the rows that do
    not fit by their lines."""
    try:
        data = file.read_bytes()
        text = data.decode("utf-8-sig")
    except OSError as error:
        raise Refused(f"{file} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise Refused(f"{file} is no UTF-8 text: {error.reason} at byte {error.start}") from None
    told = json.dumps([agent, given, message], sort_keys=True).encode()
    sha256 = hashlib.sha256(hashlib.sha256(told).digest() + data).hexdigest()
    csv.field_size_limit(_CELL)
    reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    problems: list[str] = []
    rows: list[Row] = []
    try:
        columns = _columns(file, agent, schemas, reader.fieldnames, given, message)
        for number, cells in enumerate(reader, 1):
            line = reader.line_num - sum(text.count("\n") for text in cells.values() if isinstance(text, str))
            try:
                body = _body(agent, schemas, cells, given, message)
                body["idempotency_key"] = f"csv-{sha256[:40]}-{number}"
                rows.append(Row(number, line, cells, body))
            except InputProblem as problem:
                problems.append(f"line {line}: {problem}")
    except csv.Error as error:
        # The reader of lists is a line further than the one around it.
        raise Refused(f"{file}, line {reader.reader.line_num}: {error}") from None
    if problems:
        more = len(problems) - _TOLD
        also = f"; and {more} more rows" if more > 0 else ""
        raise Refused(f"{file}: nothing was started, for {'; '.join(problems[:_TOLD])}{also}")
    if not rows:
        raise Refused(f"{file} has no rows")
    return Table(columns, tuple(rows), sha256)


def _columns(
    file: Path,
    agent: str,
    schemas: Schemas,
    names: Any,
    given: Mapping[str, JsonValue],
    message: str | None,
) -> tuple[str, ...]:
    columns = tuple(names or ())
    there = ", ".join(schemas) or "none"
    for name in columns:
        if name not in schemas and (name != MESSAGE or message is not None):
            raise Refused(f"{file}, line 1: {name!r} is no input of {agent}; its inputs: {there}")
        if name in given:
            raise Refused(f"{name} is a column of {file}, and given beside it")
        if columns.count(name) > 1:
            raise Refused(f"{file}, line 1: the column {name!r} is there twice")
    return columns


def _body(
    agent: str, schemas: Schemas, cells: dict[str, Any], given: Mapping[str, JsonValue], message: str | None
) -> dict[str, Any]:
    """Raises `InputProblem`."""
    if None in cells:
        raise InputProblem("row", "has more cells than there are columns")
    if missing := [name for name, text in cells.items() if text is None]:
        raise InputProblem(missing[0], "is missing: the row has fewer cells than there are columns")
    inputs: dict[str, JsonValue] = dict(given)
    for name, text in cells.items():
        schema = schemas.get(name)
        # An empty cell says nothing, but where only a text can be meant.
        if schema is not None and (text or (schema.get("type") == "string" and "default" not in schema)):
            inputs[name] = read_value(schema, text)
    check_values(agent, schemas, inputs)
    words = message if message is not None else None if MESSAGE in schemas else cells.get(MESSAGE)
    return {"agent": agent, "inputs": inputs, **({"message": words} if words else {})}
