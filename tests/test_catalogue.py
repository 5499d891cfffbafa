"""Loading tools from modules and files into the catalogue: what is found, and how every mistake is explained."""

import asyncio
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
from temporalio import activity

import perdure
from perdure.activities.tools.catalogue import Catalogue, UnknownTool, load_tools
from perdure.activities.tools.tool import ToolLoadError
from perdure.temporal.stores.blobs import LocalBlobs

Write = Callable[[str, str], Path]

OURS = Path(perdure.__file__).resolve()
ROOT = Path(__file__).parent.parent

ADD = """
    from temporalio import activity

    @activity.defn
    async def add(a: int, b: int) -> int:
        "Add two numbers."
        return a + b

    def helper() -> None: ...
"""


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Write]:
    """Writes a file below the working directory; loaded modules are forgotten afterwards."""
    monkeypatch.chdir(tmp_path)
    # Without the repository, whose packages nobody else can import by their bare names, and without the folders of
    # tools that other tests have loaded: this test has a file `tools.py` as well.
    others = [entry for entry in map(Path, sys.path) if entry.resolve() != ROOT and not (entry / "tools.py").exists()]
    monkeypatch.setattr(sys, "path", [str(entry) for entry in others])
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    before = set(sys.modules)

    def write(name: str, text: str) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(dedent(text))
        return path

    yield write
    for name in set(sys.modules) - before:
        del sys.modules[name]


def names(source: str) -> tuple[str, ...]:
    return Catalogue(load_tools(source)).names


@activity.defn
async def greet(name: str) -> str:
    """Greet someone."""
    return f"hello {name}"


@activity.defn(name="shout")
def loud(name: str) -> str:
    return name.upper()


def test_a_file_gives_its_decorated_functions(write: Write) -> None:
    write("tools.py", ADD)
    assert names("tools.py") == ("add",)
    assert "tools" not in sys.modules


def test_imported_tools_and_other_names_count(write: Write) -> None:
    write("shop/__init__.py", "")
    write("shop/orders.py", ADD)
    write("tools.py", "from shop.orders import add\nplus = add\n")
    assert names("tools.py") == ("add",)
    assert names("shop.orders") == ("add",)


def test_a_file_finds_its_neighbours_and_the_path_ends_with_the_working_directory(write: Write, tmp_path: Path) -> None:
    write("deep/neighbour.py", ADD)
    write("deep/mine.py", "from neighbour import add\n")
    sys.path.insert(0, str(tmp_path))
    assert names("deep/mine.py") == ("add",)
    assert sys.path[-1] == str(tmp_path)
    assert sys.path.count(str(tmp_path)) == 1


def test_the_same_file_twice_counts_once(write: Write) -> None:
    path = write("tools.py", ADD)
    assert Catalogue([*load_tools("tools.py"), *load_tools(str(path)), *load_tools("tools")]).names == ("add",)


def test_shipped_tools_load_by_their_module() -> None:
    assert names("perdure.activities.shipped.builtin_tools") == ("current_time", "calculator", "fetch_url")


def test_two_tools_of_one_name_name_both_places(write: Write) -> None:
    one, two = write("one.py", ADD), write("two.py", "\n" + ADD)
    with pytest.raises(ToolLoadError) as caught:
        Catalogue([*load_tools("one.py"), *load_tools("two.py")])
    assert str(caught.value) == f"two tools are named 'add': one at {one}:4, one at {two}:5"


@pytest.mark.parametrize("name", ["call_model", "load_agent", "agent", "mcp", "client"])
def test_reserved_names_are_refused(name: str) -> None:
    @activity.defn(name=name)
    async def tool() -> None: ...

    with pytest.raises(ToolLoadError, match=f"tool '{name}': the name is reserved"):
        Catalogue([tool])


@pytest.mark.parametrize("name", ["workflows", "activities", "gateway", "temporal"])
def test_a_package_of_the_user_may_have_the_name_of_one_of_our_rooms(write: Write, name: str) -> None:
    write(f"{name}/__init__.py", "")
    write(f"{name}/orders.py", ADD)
    write("tools.py", f"from {name} import orders\nfrom {name}.orders import add\n")
    assert names("tools.py") == ("add",)
    assert names(f"{name}.orders") == ("add",)


@pytest.mark.parametrize("statement", ["import perdure.mail", "from perdure import send", "import os, perdure"])
def test_an_import_that_would_get_our_package_instead_names_both(write: Write, statement: str) -> None:
    theirs = write("perdure.py", "def send() -> None: ...\n")
    path = write("tools.py", f"import sys\n{statement}\n")
    with pytest.raises(ToolLoadError) as caught:
        load_tools("tools.py")
    assert str(caught.value) == (
        f"{path}:2: imports 'perdure', which is Perdure's own package at {OURS} and also yours at {theirs}: rename yours"
    )


def test_a_file_named_like_our_package_does_no_harm_unless_imported(write: Write) -> None:
    write("perdure.py", ADD)
    assert names("perdure.py") == ("add",)
    assert sys.modules["perdure"] is perdure


def test_a_module_that_is_also_something_else_names_both(write: Write) -> None:
    theirs = write("perdure/__init__.py", ADD)
    with pytest.raises(ToolLoadError) as caught:
        load_tools("perdure")
    assert str(caught.value) == (
        f"the module 'perdure' is at {OURS} and at {theirs}: rename yours, or give the path of its file"
    )


@pytest.mark.parametrize(
    ("text", "line", "what"),
    [
        ("x = 1\nx.y()\n", 2, "AttributeError: 'int' object has no attribute 'y'"),
        ("import nowhere_at_all\n", 1, "ModuleNotFoundError: No module named 'nowhere_at_all'"),
        ("def f(:\n", 1, "SyntaxError: invalid syntax"),
        ("import sys\nsys.exit(3)\n", 2, "SystemExit: 3"),
        ("from temporalio import activity\n\n@activity.defn\ndef f(*, a: int): ...\n", 3, "TypeError: Activity cannot"),
    ],
)
@pytest.mark.parametrize("by", ["file", "module"])
def test_an_error_on_import_names_file_line_and_what(write: Write, text: str, line: int, what: str, by: str) -> None:
    path = write("broken.py", text)
    with pytest.raises(ToolLoadError) as caught:
        load_tools("broken.py" if by == "file" else "broken")
    assert str(caught.value).startswith(f"{path}:{line}: {what}")


def test_an_error_further_in_is_named_too(write: Write) -> None:
    path = write("tools.py", "import inner\n")
    inner = write("inner.py", "\n1 / 0\n")
    with pytest.raises(ToolLoadError) as caught:
        load_tools("tools.py")
    assert str(caught.value) == f"{path}:1: ZeroDivisionError: division by zero (raised at {inner}:2)"


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("nowhere.py", "there is no file {folder}/nowhere.py"),
        ("nowhere.tools", "there is no module 'nowhere.tools', neither installed nor in {folder}; a file is given as"),
        ("./tools", "./tools: neither a module's name, as in orders.tools, nor a .py file"),
        ("", ": neither a module's name"),
        ("..", "..: neither a module's name"),
    ],
)
def test_what_is_not_there_is_said(write: Write, tmp_path: Path, source: str, said: str) -> None:
    with pytest.raises(ToolLoadError) as caught:
        load_tools(source)
    assert str(caught.value).startswith(said.format(folder=tmp_path))


def test_the_catalogue_answers_by_name() -> None:
    catalogue = Catalogue([greet, loud])
    assert catalogue.names == ("greet", "shout")
    assert [spec.name for spec in catalogue.specs(["shout", "greet"])] == ["shout", "greet"]
    assert catalogue.spec("nobody") is None
    assert {name: place.rpartition(":")[0] for name, place in catalogue.sources.items()} == {
        "greet": __file__,
        "shout": __file__,
    }
    with pytest.raises(UnknownTool, match="there is no tool 'nobody'; there are: greet, shout"):
        catalogue.specs(["greet", "nobody"])


def test_the_digest_changes_with_what_a_model_is_told() -> None:
    @activity.defn(name="greet")
    async def other(name: str) -> str:
        """Greet someone loudly."""
        return name

    catalogue = Catalogue([greet, loud])
    assert catalogue.digest(["greet"]) == Catalogue([greet]).digest(["greet"])
    digests = [catalogue.digest(tools) for tools in (["greet"], ["shout"], ["greet", "shout"], ["greet", "gone"], [])]
    digests.append(Catalogue([other]).digest(["greet"]))
    assert len(set(digests)) == len(digests)


async def test_activities_bear_the_tools_names_and_kinds(tmp_path: Path) -> None:
    made = Catalogue([greet, loud]).activities(LocalBlobs(tmp_path), asyncio.get_running_loop())

    def kind(wrapper: Callable[..., Any]) -> tuple[str | None, bool]:
        definition = activity._Definition.must_from_callable(wrapper)
        return definition.name, definition.is_async

    assert [kind(wrapper) for wrapper in made] == [("greet", True), ("shout", False)]
