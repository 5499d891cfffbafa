"""Skills in the open Agent Skills format: what is read from disk, what is refused, and what the model reads of them."""

import os
from pathlib import Path

import pytest
from pydantic import JsonValue
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from perdure.activities.tools.document_reading import DocumentReading
from perdure.temporal.definitions.skill_files import MAX_SKILLS
from perdure.temporal.definitions.store import Definitions
from perdure.temporal.stores.blobs import LocalBlobs
from perdure.workflows.definition.documents import Skill, Skills
from perdure.workflows.protocol.document_activities import ReadDocumentsInput


def agent(folder: Path, more: str = "", name: str = "desk") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{name}.yaml"
    file.write_text(f"name: {name}\nmodels: {{m: {{use: demo/x}}}}\nmodel: m\ninstructions: x\n{more}\n")
    return file


def skill(folder: Path, name: str, front: str | None = None, body: str = "Do it well.\n") -> Path:
    file = folder / name / "SKILL.md"
    file.parent.mkdir(parents=True, exist_ok=True)
    front = f"name: {name}\ndescription: Use it for {name}." if front is None else front
    file.write_text(f"---\n{front}\n---\n{body}")
    return file


def definitions(tmp_path: Path) -> Definitions:
    return Definitions([tmp_path / "agents"], blobs=LocalBlobs(tmp_path / "blobs"))


def skills(found: Definitions, name: str = "desk") -> Skills | None:
    known = found.current(name)
    assert known is not None, found.problems
    return known.definition.skills


async def read(tmp_path: Path, sha256: str, **args: JsonValue) -> JsonValue:
    reading = DocumentReading(LocalBlobs(tmp_path / "blobs"))
    request = ReadDocumentsInput(documents=sha256, tool="read_skill", args=args)
    return (await ActivityEnvironment().run(reading.read_documents, request)).output


async def test_a_skill_is_named_in_the_definition_and_its_files_are_read(tmp_path: Path) -> None:
    folder = tmp_path / "agents" / "skills"
    front = (
        "name: pdf-forms\ndescription: >\n  Fills in forms.\n  Use it for PDFs.\nlicense: MIT\nallowed-tools: Bash(*)"
    )
    skill(folder, "pdf-forms", front)
    (folder / "pdf-forms" / "scripts").mkdir()
    (folder / "pdf-forms" / "scripts" / "fill.sh").write_text("echo filled\n")
    (folder / "pdf-forms" / "form.bin").write_bytes(b"\xff\x00")
    skill(folder, "letters")
    agent(tmp_path / "agents")
    found = definitions(tmp_path)
    await found.publish()
    known = skills(found)
    assert known is not None
    assert known.skills == (
        Skill(name="letters", description="Use it for letters."),
        Skill(name="pdf-forms", description="Fills in forms. Use it for PDFs."),
    )
    assert "- pdf-forms: Fills in forms. Use it for PDFs." in known.told
    assert "Do it well" not in known.told
    assert await read(tmp_path, known.sha256, skill="pdf-forms") == {
        "skill": "pdf-forms",
        "file": "SKILL.md",
        "text": "Do it well.\n",
        "characters": 12,
        "files": ["form.bin", "scripts/fill.sh"],
    }
    script = await read(tmp_path, known.sha256, skill="pdf-forms", file="scripts/fill.sh")
    assert script == {"skill": "pdf-forms", "file": "scripts/fill.sh", "text": "echo filled\n", "characters": 12}


@pytest.mark.parametrize(
    ("args", "said"),
    [
        ({"skill": "letter"}, "there are: letters"),
        ({"skill": "letters", "file": "x.md"}, "letters has no 'x.md'; it has: SKILL.md"),
        ({"skill": "letters", "file": "../SKILL.md"}, "letters has no '../SKILL.md'"),
        ({"skill": "letters", "file": "form.bin"}, "is not a text"),
    ],
)
async def test_errors_name_what_there_is(tmp_path: Path, args: dict[str, JsonValue], said: str) -> None:
    skill(tmp_path / "agents" / "skills", "letters")
    (tmp_path / "agents" / "skills" / "letters" / "form.bin").write_bytes(b"\xff\x00")
    agent(tmp_path / "agents")
    found = definitions(tmp_path)
    await found.publish()
    known = skills(found)
    assert known is not None
    with pytest.raises(ApplicationError) as caught:
        await read(tmp_path, known.sha256, **args)
    assert caught.value.type == "unknown_document"
    assert said in caught.value.message


async def test_a_change_of_any_file_is_another_digest_and_older_files_stay(tmp_path: Path) -> None:
    skill(tmp_path / "agents" / "skills", "letters")
    script = tmp_path / "agents" / "skills" / "letters" / "form.bin"
    script.write_bytes(b"\xff\x00")
    agent(tmp_path / "agents")
    found = definitions(tmp_path)
    await found.publish()
    before = skills(found)
    assert before is not None
    script.write_bytes(b"\xff\x01")
    file = skill(tmp_path / "agents" / "skills", "letters", body="Do it better.\n")
    for one in (script, file):
        stat = one.stat()
        os.utime(one, ns=(stat.st_atime_ns, stat.st_mtime_ns + 1_000_000_000))
    assert await found.refresh()
    after = skills(found)
    assert after is not None
    assert after.sha256 != before.sha256
    texts = [await read(tmp_path, one.sha256, skill="letters") for one in (before, after)]
    assert [one["text"] for one in texts if isinstance(one, dict)] == ["Do it well.\n", "Do it better.\n"]


@pytest.mark.parametrize(
    ("front", "said"),
    [
        ("description: x", "name: is required in the front matter of a skill"),
        ("name: letters", "description: is required in the front matter of a skill"),
        ("name: Letters\ndescription: x", "'Letters' is no name of a skill"),
        ("name: other\ndescription: x", "'other' is not the name of the skill's folder, 'letters'"),
        (f"name: letters\ndescription: {'x' * 1025}", "description: has 1025 characters; at most 1024 may be"),
        ("name: letters\ndescription: [x]", "description: is a text"),
    ],
)
def test_a_bad_skill_refuses_the_definition_by_name(tmp_path: Path, front: str, said: str) -> None:
    file = skill(tmp_path / "agents" / "skills", "letters", front)
    agent(tmp_path / "agents")
    found = definitions(tmp_path)
    assert found.names() == ()
    (problem,) = found.problems
    assert problem.file == file
    assert said in str(problem)


def test_a_definition_names_folders_or_none(tmp_path: Path) -> None:
    agents = tmp_path / "agents"
    skill(agents / "skills", "letters")
    skill(agents / "more", "forms")
    skill(agents / "more", "calls")
    agent(agents, "skills: [more, skills/letters]", "all")
    agent(agents, "skills: [more/forms]", "one")
    agent(agents, "skills: []", "none")
    agent(agents, "", "usual")
    found = definitions(tmp_path)
    assert found.problems == ()
    named = {
        name: [one.name for one in known.skills] if (known := skills(found, name)) else [] for name in found.names()
    }
    assert named == {"all": ["calls", "forms", "letters"], "none": [], "one": ["forms"], "usual": ["letters"]}


def test_a_folder_without_a_skill_and_too_many_are_refused(tmp_path: Path) -> None:
    (tmp_path / "agents" / "empty").mkdir(parents=True)
    agent(tmp_path / "agents", "skills: [empty]")
    (problem,) = definitions(tmp_path).problems
    assert "skills[0]: holds no skill: a skill is a folder with a SKILL.md" in str(problem)

    agent(tmp_path / "many" / "agents")
    for number in range(MAX_SKILLS + 1):
        skill(tmp_path / "many" / "agents" / "skills", f"s{number}")
    (problem,) = definitions(tmp_path / "many").problems
    assert f"an agent has at most {MAX_SKILLS}" in str(problem)
