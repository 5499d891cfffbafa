"""The results of a batch: a journal while it runs, and one file at its end.

Rule 1: each row that is over is one line of the journal (`FILE.part`, JSON Lines), written at once. A line that a kill has
cut is dropped, and its row asked for again.
Rule 2: the file itself is written whole, in the order of the rows, and put in its place at once; then the journal goes.
"""

import csv
import io
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from perdure.temporal.app.console.refused import Refused
from perdure.temporal.app.worker_runs.rows import Row, Table

_FORMS: Final = (".csv", ".jsonl")


class Results:
    def __init__(self, file: Path, table: Table, fields: Sequence[str]) -> None:
        """`fields` are those of the agent's answers; none: they are texts, or the form is not known. Raises `Refused`."""
        if file.suffix not in _FORMS:
            raise Refused(f"{file} is neither a .csv nor a .jsonl file; --out says which the results are to be")
        self._file = file
        self._table = table
        self._fields = tuple(fields)
        self._journal = file.with_name(f"{file.name}.part")
        #: What each row came to, by its number.
        self.found: dict[int, dict[str, Any]] = {}

    def take_up(self) -> int:
        """Begins the journal, or goes on with that of a command that was ended. Returns the rows in it. Raises `Refused`."""
        try:
            if self._journal.exists():
                self._read()
            self._journal.parent.mkdir(parents=True, exist_ok=True)
            lines = [{"batch": self._table.sha256}, *self.found.values()]
            _put(self._journal, "".join(f"{json.dumps(line, ensure_ascii=False)}\n" for line in lines))
        except OSError as error:
            raise Refused(f"{self._journal} cannot be written: {error.strerror}") from None
        return len(self.found)

    def _read(self) -> None:
        lines = self._journal.read_bytes().split(b"\n")[:-1]
        told = [one for line in lines if (one := _json(line)) is not None]
        if not told or told[0].get("batch") != self._table.sha256:
            raise Refused(
                f"{self._journal} has results of another file, or of other inputs: name another --out, or remove it"
            )
        self.found = {one["row"]: one for one in told[1:]}

    def add(self, row: Row, run: Mapping[str, Any]) -> None:
        """What the run of a row came to. Raises `Refused`."""
        line = {"row": row.number, "line": row.line, **run}
        self.found[row.number] = line
        try:
            with self._journal.open("a", encoding="utf-8") as journal:
                journal.write(f"{json.dumps(line, ensure_ascii=False)}\n")
        except OSError as error:
            raise Refused(f"{self._journal} cannot be written: {error.strerror}") from None

    def finish(self) -> None:
        """Writes the file, and removes the journal. Raises `Refused`."""
        try:
            _put(self._file, self._csv() if self._file.suffix == ".csv" else self._json_lines())
            self._journal.unlink()
        except OSError as error:
            raise Refused(f"{self._file} cannot be written: {error.strerror}") from None

    def _json_lines(self) -> str:
        rows = (
            {**self.found[row.number], "inputs": row.body["inputs"]}
            for row in self._table.rows
            if row.number in self.found
        )
        return "".join(f"{json.dumps(row, ensure_ascii=False)}\n" for row in rows)

    def _csv(self) -> str:
        written = io.StringIO(newline="")
        writer = csv.writer(written)
        columns = self._table.columns
        answer = [f"answer.{name}" if name in columns else name for name in self._fields] or ["result"]
        writer.writerow(["row", *columns, "status", *answer, "error", "cost_usd", "run_id"])
        for row in self._table.rows:
            if (run := self.found.get(row.number)) is not None:
                cells = (row.cells[name] for name in columns)
                error = run.get("error") or {}
                said = f"{error.get('type')}: {error.get('message')}" if error else ""
                books = (run.get("cost_usd"), run.get("run_id"))
                writer.writerow([row.number, *cells, run["status"], *self._answer(run), said, *map(_cell, books)])
        return written.getvalue()

    def _answer(self, run: Mapping[str, Any]) -> list[str]:
        result = run.get("result")
        if not self._fields:
            return [_cell(result)]
        return [_cell(result.get(name) if isinstance(result, dict) else None) for name in self._fields]


def _json(line: bytes) -> dict[str, Any] | None:
    try:
        found = json.loads(line)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def _cell(value: Any) -> str:
    return "" if value is None else value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _put(file: Path, text: str) -> None:
    """The file as a whole, or as it was."""
    beside = file.with_name(f".{file.name}.{os.getpid()}")
    beside.write_text(text, encoding="utf-8", newline="")
    beside.replace(file)
