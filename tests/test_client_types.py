"""`client.d.ts`: it has what the gateway's own schema has, fits `client.js`, and `tsc` holds programs to it."""

import asyncio
import json
import re
import subprocess
from pathlib import Path

import pytest

from perdure.gateway.app import create_routes
from perdure.gateway.openapi import examples
from perdure.gateway.openapi.stream import EVENTS, FRAMES, type_of
from perdure.gateway.reference import types
from perdure.gateway.routes.client_module import joined
from perdure.gateway.routes.pages import PAGES
from tests.support.needs import missing

CLIENTS = Path(__file__).parent / "clients"
TSC = CLIENTS / "node_modules" / "typescript" / "bin" / "tsc"
#: What a client has for its own modules, and what a stream has once there is one.
INSIDE = {"ask", "call", "request", "baseUrl", "headers", "fetch", "renewal"}
OF_A_STREAM = {"cursor"}
#: What all durable events have.
NOT_OWN = ("type", "seq", "at", "turn_id")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the client as a person has saved it."""
    (tmp_path / "package.json").write_text('{"type": "module"}')
    (tmp_path / "client.js").write_text(joined(PAGES / "client" / "client.js"))
    (tmp_path / "client.d.ts").write_text(types.FILE.read_text(encoding="utf-8"))
    return tmp_path


def test_the_records_are_those_of_the_gateway() -> None:
    text = types.FILE.read_text(encoding="utf-8")
    assert types.with_types(text) == text, "run `python -m perdure.gateway.reference`"


def test_every_event_is_one_of_the_union() -> None:
    text = types.FILE.read_text(encoding="utf-8")
    assert {*map(type_of, EVENTS), *FRAMES} == set(re.findall(r"^  type: '([\w.]+\.\w+)'", text, re.MULTILINE)) | {
        "session.snapshot"
    }


def test_it_declares_what_the_client_has(folder: Path, node: str) -> None:
    script = """
    import * as all from './client.js';
    const methods = ({ prototype }, one) => [...Object.getOwnPropertyNames(prototype), ...Object.keys(one)];
    const { PerdureClient, SessionStream } = all;
    const has = { PerdureClient: methods(PerdureClient, new PerdureClient()), SessionStream: methods(SessionStream, {}) };
    process.stdout.write(JSON.stringify({ exported: Object.keys(all), has }));
    """
    (folder / "main.js").write_text(script)
    done = subprocess.run([node, "main.js"], cwd=folder, capture_output=True, text=True, check=True, timeout=30)
    found = json.loads(done.stdout)
    text = types.FILE.read_text(encoding="utf-8").partition(types.MARK)[0]
    assert set(found["exported"]) == set(re.findall(r"^export declare (?:class|function) (\w+)", text, re.MULTILINE))
    for name, members in found["has"].items():
        body = text.partition(f"export declare class {name} ")[2].partition("\n}")[0]
        declared = set(re.findall(r"^  (\w+)[(:]", body, re.MULTILINE)) - OF_A_STREAM
        assert declared | {"constructor"} == set(members) - INSIDE, name


@pytest.mark.slow
async def test_a_strict_compiler_takes_what_is_right_and_nothing_else(folder: Path, node: str) -> None:
    if not TSC.exists():
        missing("npm's typescript (npm install --prefix tests/clients)")
    (folder / "typed.ts").write_text((CLIENTS / "typed.ts").read_text(encoding="utf-8"))
    lines = ["import type { SessionEvent } from './client.js';"]
    known = {**examples.EVENTS, **{kind: {"type": kind, **data} for kind, data in examples.FRAMES.items()}}
    assert known.keys() >= {*map(type_of, EVENTS), *FRAMES} - {"session.snapshot"}
    records = {**{type_of(event): event for event in EVENTS}, **FRAMES}
    schemas = create_routes().openapi()["components"]["schemas"]
    for number, (kind, event) in enumerate(known.items()):
        required = schemas[records[kind].__name__]["required"]
        lines.append(f"export const e{number}: SessionEvent = {json.dumps(event)};")
        lines += ["// @ts-expect-error: no such field", f"export const m{number}: SessionEvent = {with_more(event)};"]
        if own := [name for name in required if name not in NOT_OWN]:
            less = {name: value for name, value in event.items() if name != own[0]}
            lines += [
                f"// @ts-expect-error: without {own[0]}",
                f"export const l{number}: SessionEvent = {json.dumps(less)};",
            ]
    (folder / "events.ts").write_text("\n".join(lines))
    options = [
        "--noEmit",
        "--strict",
        "--target",
        "es2022",
        "--module",
        "nodenext",
        "--lib",
        "es2023,dom,dom.asynciterable",
    ]
    program = await asyncio.create_subprocess_exec(
        node, TSC, *options, "--types", "", "typed.ts", "events.ts", cwd=folder, stdout=asyncio.subprocess.PIPE
    )
    output, _ = await program.communicate()
    assert (output.decode(), program.returncode) == ("", 0)


def with_more(event: dict[str, object]) -> str:
    return json.dumps({**event, "unknown_to_all": 1})
