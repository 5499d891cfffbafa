"""Files of tools on the pages, under Node: which values in a result are files, and from where they are loaded."""

from typing import Any

import pytest

from tests.support.view_story import Event, Node, open_node

FILES = """
const { filesOf } = await import('./pages/shared/files.js');
output(input.map((one) => filesOf({ output: one }).map(({ path, kind }) => [path, kind])));
"""


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Node:
    return open_node(tmp_path_factory.mktemp("site"))


def test_only_what_the_route_of_files_serves_is_a_file(node: Node) -> None:
    sha256 = "0a" * 32

    def entry(uri: Any, kind: str = "image", media_type: Any = "image/png") -> Event:
        return {"type": kind, "uri": uri, "media_type": media_type}

    good = f"default/s~t1.s1.c1/{sha256}"
    path = f"/v1/sessions/s~t1.s1.c1/files/{sha256}"
    strange = (
        f"https://x.example/s/{sha256}",
        f"//x.example/{sha256}",
        f"default/../{sha256}",
        f"default/s/{sha256}?a",
        f"default/a/s/{sha256}",
        f"default/s/../{sha256}",
        f"default/s/{sha256}\n",
        "javascript:alert(1)",
        "data:image/png;base64,AA",
        sha256,
        [good],
        None,
    )
    assert node(FILES, [[entry(one) for one in strange], "text", None, 3, {"content": good}, [None, good]]) == [[]] * 6
    assert node(FILES, [[entry(good, "resource_link"), entry(good, "link")]]) == [[]]
    three = [entry(good), entry(good, "audio", "audio/wav"), entry(good, "resource", None)]
    shown = [[path, "image"], [path, "audio"], [path, "other"]]
    assert node(FILES, [three, {"structured": {}, "content": three}]) == [shown, shown]
    # A Python tool's bytes may be anywhere in its result.
    assert node(FILES, [{"charts": [{"picture": entry(good, "file")}]}]) == [[[path, "image"]]]
    failed = FILES.replace("{ output: one }", "{ is_error: true, output: { content: one } }")
    assert node(failed, [three]) == [shown]
