"""A change of tool files is noticed and reported, but not loaded."""

import os
from pathlib import Path

import pytest

from perdure.temporal.app.processes.tool_files import ToolFiles
from tests.support.dev import Dev


def test_a_change_is_told_once_and_a_change_taken_back_as_well(tmp_path: Path) -> None:
    file = tmp_path / "tools.py"
    file.write_text("price = 1\n")
    files = ToolFiles([file])
    assert files.changes() == []

    file.write_text("price = 22\n")
    assert files.changes() == [(file, "changed")]
    assert files.changes() == []

    file.unlink()
    assert files.changes() == [(file, "gone")]
    file.write_text("price = 1\n")
    assert files.changes() == [(file, "as_loaded")]


def test_a_file_that_is_saved_with_the_same_text_is_the_same(tmp_path: Path) -> None:
    file = tmp_path / "tools.py"
    file.write_text("price = 1\n")
    files = ToolFiles([file])
    os.utime(file, ns=(1, 1))
    assert files.changes() == []


def test_the_tools_and_what_they_import_are_looked_at_and_no_library() -> None:
    looked_at = {str(file) for file in ToolFiles.of_user().files}
    assert __file__ in looked_at
    assert not {path for path in looked_at if "site-packages" in path or path == os.__file__}


@pytest.mark.slow
@pytest.mark.server
async def test_dev_says_that_tools_changed_and_what_to_do(tmp_path: Path) -> None:
    tools = tmp_path / "tools.py"
    tools.write_text("from rates import RATE\n")
    (tmp_path / "rates.py").write_text("RATE = 1\n")
    dev = Dev(tmp_path / "data", {}, ["--tools", str(tools)])
    (tmp_path / "data").mkdir()
    await dev.start()
    (tmp_path / "rates.py").write_text("RATE = 2\n")
    told = await dev.said("tools.changed")
    await dev.stop()
    assert f"file={tmp_path / 'rates.py'}" in told
    assert "restart perdure dev to load it" in told
