from pathlib import Path

import pytest

from perdure.temporal.schemas.yaml_source import MAX_BYTES, DefinitionProblem, Refused, field_name, read_yaml


def refusal(tmp_path: Path, content: str | bytes) -> DefinitionProblem:
    file = tmp_path / "agent.yaml"
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(Refused) as raised:
        read_yaml(file)
    (problem,) = raised.value.problems
    assert problem.file == file
    return problem


@pytest.mark.parametrize(
    ("content", "line", "words"),
    [
        ("", 1, "empty"),
        ("# nothing\n", 1, "empty"),
        ("\n- a\n- b\n", 2, "must be a mapping"),
        ("just words", 1, "must be a mapping"),
        ("name: a\nname: b\n", 2, "'name' stands here twice"),
        ("a: 1\nb:\n  c: 1\n  d: 2\n  c: 3\n", 5, "'c' stands here twice"),
        ("a: 1\nb: [1, 2\n", 2, "not valid YAML: this [ is never closed"),
        ("a: 1\n\tb: 2\n", 2, "not valid YAML"),
        ("a: *nowhere\n", 1, "undefined alias"),
        ("a: 1\n---\nb: 2\n", 2, "expected a single document"),
        ("a: 1\nb: !!python/object/apply:os.system [ls]\n", 2, "not valid YAML"),
        ("a: 1\n[1, 2]: b\n", 2, "a key must be a word"),
        ("a: 1\nb: \x07\n", 2, "not valid YAML"),
        ('a: 1\nb: "\\ud800"\n', 2, "surrogate"),
        (b"a: 1\nb: \xff\xfe\n", 2, "not UTF-8"),
        ("a: " + "[" * 100 + "]" * 100, 1, "nested deeper"),
        ("a: " + "[" * 20_000, 1, "nested deeper"),
        ("a: &a [*a]\n", 1, "nested deeper"),
        ("a: !!int xyz\n", 1, "not valid YAML"),
        ("a: x" + "x" * MAX_BYTES, 1, "at most"),
    ],
)
def test_faults_have_a_line(tmp_path: Path, content: str | bytes, line: int, words: str) -> None:
    problem = refusal(tmp_path, content)
    assert words in problem.message
    assert problem.line == line


def test_aliases_that_unfold_without_bound_are_refused(tmp_path: Path) -> None:
    lines = ["l0: &l0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 10)}]" for n in range(1, 10)]
    assert "aliases unfolded" in refusal(tmp_path, "\n".join(lines)).message


def test_a_missing_file_is_a_problem(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="cannot be read"):
        read_yaml(tmp_path / "none.yaml")


def test_scalars_are_those_of_yaml_1_2(tmp_path: Path) -> None:
    file = tmp_path / "agent.yaml"
    file.write_text(
        "\ufeffthinking: off\nyes: no\ntrue_: true\nday: 2026-01-02\ntime: 12:30:00\nid: 007\nn: -3\nf: 0.5\ne: 1e3\nnone:\n"
        "base: &base {a: 1, b: 2}\nmerged: {<<: *base, b: 3}\n"
    )
    assert read_yaml(file).values == {
        "thinking": "off",
        "yes": "no",
        "true_": True,
        "day": "2026-01-02",
        "time": "12:30:00",
        "id": "007",
        "n": -3,
        "f": 0.5,
        "e": 1000.0,
        "none": None,
        "base": {"a": 1, "b": 2},
        "merged": {"a": 1, "b": 3},
    }


def test_everything_has_a_place(tmp_path: Path) -> None:
    file = tmp_path / "agent.yaml"
    file.write_text("name: a\ntools:\n  - one\n  - two:\n      timeout: 3s\n")
    source = read_yaml(file)
    assert str(source.problem(("tools", 1, "timeout"), "is odd")) == f"{file}:5:7: tools[1].timeout: is odd"
    assert source.problem(("tools", 0), "").line == 3
    assert source.problem(("tools", 7, "x"), "").line == 2
    assert source.problem((), "").line == 1
    assert field_name(("models", "a b", "[key]")) == "models.a b"
