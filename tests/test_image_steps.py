"""The steps of the image's Dockerfile without a container engine: its wheel in an environment of its own, then worker and
gateway as nobody in particular on a read-only file system."""

import asyncio
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import psutil
import pytest

from perdure.temporal.app.dev_server.server import DevServer
from tests.support.deployment import DEPLOY, ROOT, compose, seconds
from tests.support.dev import Command
from tests.support.ports import free_ports

pytestmark = [pytest.mark.slow, pytest.mark.server]

DOCKERFILE: Final = re.sub(r"\\\n\s*", "", (DEPLOY / "Dockerfile").read_text(encoding="utf-8"))
_, BUILD, RUN = DOCKERFILE.split("\nFROM ")
USER: Final = "10001"


@pytest.fixture(scope="module")
def open_folder() -> Iterator[Path]:
    """A folder that every user can reach. pytest's own are for their owner, and each run of it closes all of them again."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder


@pytest.fixture(scope="module")
def installed(open_folder: Path) -> Path:
    """The folder that the image has as /opt/perdure."""
    folder = open_folder
    source, wheels, environment = folder / "source", folder / "wheels", folder / "perdure"
    source.mkdir()
    for line in re.findall(r"^COPY (.*)$", BUILD, re.MULTILINE):
        *sources, target = line.split()
        for one in sources:
            if (ROOT / one).is_file():
                shutil.copy(ROOT / one, source)
            else:
                skipped = shutil.ignore_patterns("__pycache__", ".mypy_cache")
                shutil.copytree(ROOT / one, source / target, symlinks=True, ignore=skipped)
    (step,) = re.findall(r"^RUN (.*)$", BUILD, re.MULTILINE)
    (extras,) = re.findall(r"^ARG EXTRAS=(.*)$", BUILD, re.MULTILINE)
    step = step.replace("/opt/perdure", str(environment)).replace("/wheels", str(wheels))
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    subprocess.run(
        ["/bin/sh", "-euc", step], cwd=source, env={**os.environ, "PATH": path, "EXTRAS": extras}, check=True
    )
    return environment


def confined(writable: Path, command: Sequence[str | Path]) -> list[str | Path]:
    """The command as the image's user, where nothing but `writable` can be written; for root, as containers are started."""
    assert os.geteuid() == 0, "run this as root, for only root can make a file system read-only"
    mounts = "mount --make-rprivate / && mount -o remount,bind,ro /"
    mounts += f" && mount -t tmpfs -o uid={USER},gid={USER} tmpfs {writable}"
    dropped = f"exec setpriv --reuid={USER} --regid={USER} --clear-groups --no-new-privs --bounding-set=-all -- "
    return [
        "unshare",
        "--mount",
        "/bin/sh",
        "-ec",
        f'{mounts}; {dropped}{shlex.join(map(str, command))} "$@"',
        "perdure",
    ]


def image_environment(data: Path, health: int, metrics: int) -> dict[str, str]:
    (line,) = re.findall(r"^ENV (.*)$", RUN, re.MULTILINE)
    given = dict(pair.split("=", 1) for pair in line.split() if not pair.startswith("PATH="))
    assert given["PERDURE_DATA_DIR"] == "/var/lib/perdure"
    return {
        **given,
        "PERDURE_DATA_DIR": str(data),
        "PERDURE_HEALTH_ADDRESS": given["PERDURE_HEALTH_ADDRESS"].replace("0.0.0.0:8000", f"127.0.0.1:{health}"),
        "PERDURE_METRICS_ADDRESS": given["PERDURE_METRICS_ADDRESS"].replace("0.0.0.0:9464", f"127.0.0.1:{metrics}"),
        "TMPDIR": str(data),
        "HOME": str(data),
    }


async def well(installed: Path, port: int) -> bool:
    """What the image's health check says."""
    (check,) = re.findall(r"^HEALTHCHECK .*CMD \[\"python\", \"-c\", \"(.*)\"\]$", RUN, re.MULTILINE)
    process = await asyncio.create_subprocess_exec(
        installed / "bin" / "python", "-c", check.replace(":8000", f":{port}"), stderr=asyncio.subprocess.DEVNULL
    )
    return await process.wait() == 0


@pytest.mark.parametrize("what", ["worker", "gateway"])
async def test_it_runs_as_in_the_image_and_drains(
    what: str, installed: Path, temporal_server: DevServer, open_folder: Path
) -> None:
    port, metrics = free_ports(2)
    data, project = open_folder / f"data-{what}", open_folder / f"project-{what}"
    data.mkdir()
    shutil.copytree(DEPLOY / "project", project)
    environment = {
        **image_environment(data, port, metrics),
        "TEMPORAL_ADDRESS": temporal_server.address,
        "PERDURE_LIVE": "",
        "PERDURE_BLOB_DIR": str(data / "blobs"),
    }
    arguments = [what] if what == "worker" else [what, "--port", str(port)]
    assert not await well(installed, port)
    running = Command(project, environment, arguments, confined(data, [installed / "bin" / "perdure"]))
    await running.start()
    assert await well(installed, port)
    assert psutil.Process(running.pid).uids().effective == int(USER)
    async with asyncio.timeout(seconds(compose()["services"]["worker-1"]["stop_grace_period"])):
        assert await running.stop() == 0, "\n".join(running.output)


def test_it_has_no_tools_of_developers(installed: Path) -> None:
    listed = subprocess.run(
        [installed / "bin" / "python", "-m", "pip", "list"], capture_output=True, text=True, check=True
    )
    names = {line.split()[0].lower() for line in listed.stdout.splitlines()[2:]}
    assert {"perdure", "temporalio", "opentelemetry-sdk", "boto3"} <= names
    assert not names & {"pytest", "mypy", "ruff", "hypothesis", "playwright"}
    assert not list((installed / "lib").rglob("perdure/tests"))
