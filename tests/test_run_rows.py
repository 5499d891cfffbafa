"""Rows of a CSV file as runs of an agent, the inputs that people write, and the file of the results."""

import csv
import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import JsonValue

from perdure.temporal.app.console.refused import Refused
from perdure.temporal.app.worker_runs.inputs import read_pairs, read_value
from perdure.temporal.app.worker_runs.results import Results
from perdure.temporal.app.worker_runs.rows import Table, read_table

SCHEMAS: dict[str, dict[str, JsonValue]] = {
    "subject": {"type": "string"},
    "orders": {"type": "integer", "minimum": 0, "default": 0},
    "vip": {"type": "boolean", "default": False},
    "tags": {"type": "array", "items": {"type": "string"}, "default": []},
}
GOOD = 'subject,orders,vip,tags\nHello,3,yes,"[""a""]"\n"Two\nlines",,,\n007,1,TRUE,\n'


def table(folder: Path, text: str | bytes, message: str | None = None, **given: JsonValue) -> Table:
    file = folder / "rows.csv"
    file.write_bytes(text.encode() if isinstance(text, str) else text)
    return read_table(file, "sorter", SCHEMAS, given, message)


def refused(folder: Path, text: str | bytes, **given: Any) -> str:
    with pytest.raises(Refused) as caught:
        table(folder, text, **given)
    return str(caught.value).replace(f"{folder}/", "")


@pytest.mark.parametrize(
    ("schema", "text", "value"),
    [
        ({"type": "string"}, "7", "7"),
        ({"type": "integer"}, "7", 7),
        ({"type": "number"}, "7", 7),
        ({"type": "integer"}, "7.5", "7.5"),
        ({"type": "integer"}, "seven", "seven"),
        ({"type": "boolean"}, "Yes", True),
        ({"type": "boolean"}, "false", False),
        ({"type": ["string", "null"]}, "null", None),
        ({"type": ["string", "null"]}, "7", "7"),
        ({"type": "array"}, '["a"]', ["a"]),
        ({"type": "object"}, "[]", "[]"),
        ({"enum": ["a", "1"]}, "1", "1"),
        ({"enum": [1, 2]}, "1", 1),
        ({}, "7", 7),
        ({}, "a b", "a b"),
    ],
)
def test_a_text_becomes_what_its_schema_says(schema: dict[str, Any], text: str, value: JsonValue) -> None:
    found = read_value(schema, text)
    assert (found, type(found)) == (value, type(value))


def test_pairs() -> None:
    assert read_pairs("sorter", SCHEMAS, ["subject=a=b", "orders=2"]) == {"subject": "a=b", "orders": 2}
    for pairs, why in (
        (["subject"], "'subject' is no input: write it as key=value"),
        (["subject=a", "subject=b"], "subject is given twice"),
        (["orders=1"], "subject: is required"),
        (["subject=a", "orders=many"], "orders: 'many' is not of type 'integer'"),
        (["subject=a", "colour=red"], "colour: sorter takes no such input; there are: subject, orders, vip, tags"),
    ):
        with pytest.raises(Refused) as caught:
            read_pairs("sorter", SCHEMAS, pairs)
        assert str(caught.value) == why


def test_rows(tmp_path: Path) -> None:
    found = table(tmp_path, GOOD)
    assert found.columns == ("subject", "orders", "vip", "tags")
    assert [(row.number, row.line, row.body["inputs"]) for row in found.rows] == [
        (1, 2, {"subject": "Hello", "orders": 3, "vip": True, "tags": ["a"]}),
        (2, 3, {"subject": "Two\nlines"}),
        (3, 5, {"subject": "007", "orders": 1, "vip": True}),
    ]
    assert all("message" not in row.body for row in found.rows)


def test_keys_are_of_the_file_and_the_row(tmp_path: Path) -> None:
    def keys(text: str, message: str | None = None, **given: JsonValue) -> list[str]:
        return [row.body["idempotency_key"] for row in table(tmp_path, text, message, **given).rows]

    first = keys(GOOD)
    assert len(set(first)) == 3
    assert keys(GOOD) == first
    short = "subject\nA\n"
    others = [keys(short), keys(short + "B\n"), keys(short, "Sort it"), keys(short, orders=2), first]
    assert len({one[0] for one in others}) == len(others)


def test_a_column_of_messages(tmp_path: Path) -> None:
    found = table(tmp_path, "subject,message\nA,Sort this\nB,\n")
    assert [row.body.get("message") for row in found.rows] == ["Sort this", None]
    assert table(tmp_path, "subject\nA\n", "All alike").rows[0].body["message"] == "All alike"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("subject,orders\nA,1\nB,many\n", "rows.csv: nothing was started, for line 3: orders: 'many' is not of type"),
        ('subject,orders\n"A\nB",1\nC,-1\n', "rows.csv: nothing was started, for line 4: orders: -1 is less than"),
        ("subject\nA,B\n", "rows.csv: nothing was started, for line 2: row: has more cells than there are columns"),
        ("subject,orders\nA\n", "rows.csv: nothing was started, for line 2: orders: is missing: the row has fewer"),
        ("orders\n1\n", "rows.csv: nothing was started, for line 2: subject: is required"),
        ("subject,colour\nA,red\n", "rows.csv, line 1: 'colour' is no input of sorter; its inputs: subject,"),
        ("subject,subject\nA,B\n", "rows.csv, line 1: the column 'subject' is there twice"),
        ('subject\n"A\n', "rows.csv, line 2: unexpected end of data"),
        ("subject\n", "rows.csv has no rows"),
        ("", "rows.csv has no rows"),
        (b"subject\n\xff\n", "rows.csv is no UTF-8 text"),
    ],
)
def test_what_does_not_fit_is_named_by_its_line_before_anything_starts(
    tmp_path: Path, text: str | bytes, why: str
) -> None:
    assert refused(tmp_path, text).startswith(why)


def test_of_many_rows_that_do_not_fit_some_are_named(tmp_path: Path) -> None:
    said = refused(tmp_path, "subject,orders\n" + "A,x\n" * 25)
    assert said.count("line ") == 10
    assert said.endswith("; and 15 more rows")


def test_what_is_given_beside_the_file(tmp_path: Path) -> None:
    assert table(tmp_path, "subject\nA\n", orders=2).rows[0].body["inputs"] == {"orders": 2, "subject": "A"}
    assert "given beside it" in refused(tmp_path, "subject,orders\nA,1\n", orders=2)


DONE = {"status": "done", "result": {"topic": "refund", "urgency": 2}, "cost_usd": 0.5, "run_id": "run-1"}
FAILED = {
    "status": "failed",
    "error": {"type": "model_auth", "message": "No, “no”"},
    "cost_usd": 0.0,
    "run_id": "run-2",
}


def test_results_over_a_command_that_was_killed(tmp_path: Path) -> None:
    rows, out = table(tmp_path, GOOD), tmp_path / "made" / "out.csv"
    first = Results(out, rows, ("topic", "urgency"))
    assert first.take_up() == 0
    first.add(rows.rows[2], FAILED)
    first.add(rows.rows[0], DONE)
    journal = out.with_name("out.csv.part")
    # It was killed in the middle of a line.
    journal.write_text(journal.read_text() + '{"row": 2, "sta')

    second = Results(out, rows, ("topic", "urgency"))
    assert second.take_up() == 2
    assert sorted(second.found) == [1, 3]
    second.add(rows.rows[1], DONE | {"run_id": "run-3"})
    assert not out.exists()
    second.finish()

    assert not journal.exists()
    with out.open(newline="") as file:
        written = list(csv.DictReader(file))
    assert [(one["row"], one["status"], one["topic"], one["urgency"], one["error"]) for one in written] == [
        ("1", "done", "refund", "2", ""),
        ("2", "done", "refund", "2", ""),
        ("3", "failed", "", "", "model_auth: No, “no”"),
    ]
    assert [(one["subject"], one["run_id"]) for one in written][1] == ("Two\nlines", "run-3")


def test_results_as_json_lines(tmp_path: Path) -> None:
    rows, out = table(tmp_path, GOOD), tmp_path / "out.jsonl"
    results = Results(out, rows, ())
    results.take_up()
    results.add(rows.rows[0], DONE)
    results.finish()
    (line,) = map(json.loads, out.read_text().splitlines())
    assert line == {"row": 1, "line": 2, **DONE, "inputs": rows.rows[0].body["inputs"]}


def test_a_journal_of_other_rows_is_left_alone(tmp_path: Path) -> None:
    rows, out = table(tmp_path, GOOD), tmp_path / "out.csv"
    Results(out, rows, ()).take_up()
    with pytest.raises(Refused, match="results of another file"):
        Results(out, table(tmp_path, GOOD + "C,1,,\n"), ()).take_up()
    with pytest.raises(Refused, match=r"neither a \.csv nor a \.jsonl"):
        Results(tmp_path / "out.txt", rows, ())


def test_fields_of_the_answer_that_are_columns_as_well(tmp_path: Path) -> None:
    rows, out = table(tmp_path, "subject\nA\n"), tmp_path / "out.csv"
    results = Results(out, rows, ("subject", "topic"))
    results.take_up()
    results.finish()
    assert out.read_text().splitlines() == ["row,subject,status,answer.subject,topic,error,cost_usd,run_id"]
