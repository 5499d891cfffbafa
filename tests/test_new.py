import subprocess
import sys
from pathlib import Path

import pytest

import perdure
from perdure.temporal.app.commands.new import NotEmpty, agent_name, create
from perdure.temporal.definitions.folders import SHIPPED, AgentFolders


def test_the_project_is_whole_and_its_own_tests_pass(tmp_path: Path) -> None:
    project = tmp_path / "My Shop"
    files = create(project)
    assert [str(file.relative_to(project)) for file in files] == [
        "agents/my-shop.yaml",
        "tools.py",
        "test_my_shop.py",
        "pytest.ini",
        "README.md",
    ]
    reading = AgentFolders((SHIPPED, project / "agents")).read()
    assert reading.problems == []
    assert "my-shop" in reading.serving
    # As its owner runs it: in its directory, with Perdure installed (here: on the path).
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"],
        cwd=project,
        env={"PYTHONPATH": str(Path(perdure.__file__).parent.parent), "PATH": "", "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "3 passed" in ran.stdout


def test_a_directory_that_holds_something_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(NotEmpty, match="not an empty directory"):
        create(tmp_path)
    with pytest.raises(NotEmpty):
        create(tmp_path / "mine.txt")
    assert [file.name for file in tmp_path.iterdir()] == ["mine.txt"]


@pytest.mark.parametrize(
    ("directory", "name"),
    [("shop", "shop"), ("My Shop!", "my-shop"), ("2nd_try", "nd_try"), ("42", "parcels"), ("x" * 90, "x" * 64)],
)
def test_the_agent_is_called_after_the_directory(directory: str, name: str) -> None:
    assert agent_name(Path(directory)) == name
