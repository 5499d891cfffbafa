"""Other commands find `perdure dev` by its data directory while it runs, and not a moment longer."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from perdure.temporal.app.console.gateway import gateway_address
from perdure.temporal.server.dev_addresses import DevAddresses, find_dev, published, temporal_is_named

HERE = DevAddresses("http://127.0.0.1:8001", "127.0.0.1:7234", "http://127.0.0.1:8234")
PROGRAM = """
import sys, time
from pathlib import Path
from perdure.temporal.server.dev_addresses import DevAddresses, published
with published(Path(sys.argv[1]), DevAddresses("http://127.0.0.1:8001", "127.0.0.1:7234", None)):
    print("published", flush=True)
    sys.stdin.read()
"""


def test_they_are_found_while_they_are_published_and_private(tmp_path: Path) -> None:
    assert find_dev(tmp_path) is None
    with published(tmp_path, HERE):
        assert find_dev(tmp_path) == HERE
        (file,) = tmp_path.iterdir()
        assert file.stat().st_mode & 0o777 == 0o600
    assert find_dev(tmp_path) is None
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_process_left_is_not_believed(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "published\n"
        assert find_dev(tmp_path) == DevAddresses(HERE.gateway, HERE.temporal, None)
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert len(list(tmp_path.iterdir())) == 1
    assert find_dev(tmp_path) is None
    with published(tmp_path, HERE):
        assert find_dev(tmp_path) == HERE


def test_what_cannot_be_read_is_no_address(tmp_path: Path) -> None:
    with published(tmp_path, HERE):
        (file,) = tmp_path.iterdir()
        for text in ("", "{", "[]", '{"gateway": "x"}'):
            file.write_text(text)
            assert find_dev(tmp_path) is None


@pytest.mark.parametrize(
    ("variable", "named"),
    [("TEMPORAL_ADDRESS", True), ("TEMPORAL_PROFILE", True), ("TEMPORAL_API_KEY", False), ("PATH", False)],
)
def test_variables_that_name_a_server_come_first(variable: str, named: bool) -> None:
    assert temporal_is_named({variable: "x"}) is named
    assert not temporal_is_named({variable: ""})


def test_an_address_says_where_it_comes_from_when_nobody_answers(tmp_path: Path) -> None:
    away = OSError("refused")
    assert gateway_address("http://a:1", tmp_path).url == "http://a:1"
    nowhere = gateway_address(None, tmp_path)
    assert (nowhere.url, nowhere.options) == ("http://127.0.0.1:8000", f" --data-dir {tmp_path}")
    assert f"no perdure dev runs on {tmp_path}: start it, or name the gateway" in str(nowhere.away(away))
    with published(tmp_path, HERE):
        there = gateway_address(None, tmp_path)
    assert there.url == HERE.gateway
    assert str(there.away(away)).startswith(
        f"no gateway answers at {HERE.gateway} (refused); the perdure dev on {tmp_path}"
    )
