"""A gateway whose callers have keys, for OpenAI's SDK."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from openai import AsyncOpenAI
from starlette.requests import HTTPConnection

from perdure.gateway.app import create_app
from perdure.gateway.http.problems import Problem
from perdure.temporal.app.dev_server.server import DevServer
from perdure.temporal.sessions.principal import Principal
from tests.support.house import ANN, OWN
from tests.support.serving import serve
from tests.support.session_lab import PATIENCE_S, Lab, lab_on

KNOWN = {
    "sk-ann": ANN,
    "sk-bob": Principal("lab", "bob", OWN),
    "sk-server": Principal("lab", None, tuple(f"{scope}:any" for scope in OWN), actor="key:3"),
    "sk-other": Principal("other", "ann", OWN),
    "sk-reader": Principal("lab", "ann", ("session:read",)),
}


async def by_key(request: HTTPConnection) -> Principal:
    key = request.headers.get("authorization", "").removeprefix("Bearer ")
    if key not in KNOWN:
        raise Problem("unauthenticated", "The key is not known.")
    return KNOWN[key]


@dataclass
class Door:
    lab: Lab
    url: str

    def client(self, key: str = "sk-ann", **options: Any) -> AsyncOpenAI:
        return AsyncOpenAI(base_url=self.url, api_key=key, max_retries=0, timeout=PATIENCE_S, **options)


@asynccontextmanager
async def door_on(server: DevServer, folder: Path, **settings: Any) -> AsyncIterator[Door]:
    async with lab_on(server, folder, **settings) as lab:
        app = create_app(
            client=lab.client,
            live=lab.live,
            blobs=lab.parts.blobs,
            definitions=lab.parts.definitions,
            settings=lab.parts.settings,
            authenticate=by_key,
            limits=lab.limits,
        )
        async with serve(app) as port:
            yield Door(lab, f"http://127.0.0.1:{port}/v1")
            app.state.watches.cut()
