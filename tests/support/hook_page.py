"""A React page made of the guide's own code: React's own packages, the guide's hook and component, the gateway's client.

React ships CommonJS alone, so each of its files is wrapped as a module for the browser.
"""

import asyncio
import re
from pathlib import Path
from typing import Final

import httpx2
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from tests.support.guide_examples import examples
from tests.support.needs import missing

_MODULES: Final = Path(__file__).parent.parent / "clients" / "node_modules"
#: A module's name, its file, and what it requires.
_REACT: Final = {
    "react": ("react/cjs/react.development.js", ()),
    "react/jsx-runtime": ("react/cjs/react-jsx-runtime.development.js", ("react",)),
    "react-dom": ("react-dom/cjs/react-dom.development.js", ("react",)),
    "react-dom/client": ("react-dom/cjs/react-dom-client.development.js", ("react", "react-dom", "scheduler")),
    "scheduler": ("scheduler/cjs/scheduler.development.js", ()),
}
#: The guide's address of a gateway.
_ADDRESS: Final = "http://127.0.0.1:8000"
_PAGE: Final = """<!doctype html><title>The app</title><div id="root"></div>
<script type="importmap">{"imports": {%s}}</script>
<script type="module">
import { StrictMode, createElement, useState } from 'react';
import { createRoot } from 'react-dom/client';
import { Chat } from '/app/Chat.js';
function App() {
  const [session, setSession] = useState(location.hash.slice(1));
  window.open_session = setSession;
  return session ? createElement(Chat, { sessionId: session }) : null;
}
createRoot(document.getElementById('root')).render(createElement(StrictMode, null, createElement(App)));
</script>
"""


async def react_app(folder: Path, node: str, gateway: str) -> Starlette:
    """The page, which talks to `gateway`. The session's id is the address's fragment."""
    if not (_MODULES / "react-dom").is_dir():
        missing("npm's react (npm install --prefix tests/clients)")
    app = await _compiled(folder, node, gateway)
    async with httpx2.AsyncClient() as http:
        app["client.js"] = (await http.get(f"{gateway}/client.js")).text
    names = ", ".join(f'"{name}": "/npm/{name}"' for name in _REACT)

    async def page(_: Request) -> Response:
        return HTMLResponse(_PAGE % names)

    async def own(request: Request) -> Response:
        return Response(app[request.path_params["name"]], media_type="text/javascript")

    async def npm(request: Request) -> Response:
        return Response(_wrapped(request.path_params["name"]), media_type="text/javascript")

    return Starlette(routes=[Route("/", page), Route("/app/{name}", own), Route("/npm/{name:path}", npm)])


async def _compiled(folder: Path, node: str, gateway: str) -> dict[str, str]:
    """The guide's hook and component as JavaScript."""
    (hook,) = [one.code for one in examples("js") if one.code.startswith("// usePerdure.js")]
    (chat,) = [one.code for one in examples("jsx") if one.page == "programs"]
    assert _ADDRESS in chat
    (folder / "usePerdure.js").write_text(hook)
    (folder / "Chat.jsx").write_text(chat.replace(_ADDRESS, gateway))
    tsc = _MODULES / "typescript" / "bin" / "tsc"
    options = [
        "--allowJs",
        "--noCheck",
        "--noResolve",
        "--jsx",
        "react-jsx",
        "--module",
        "esnext",
        "--target",
        "es2022",
    ]
    files = ["--outDir", "out", "Chat.jsx", "usePerdure.js"]
    program = await asyncio.create_subprocess_exec(
        node, tsc, *options, *files, cwd=folder, stdout=asyncio.subprocess.PIPE
    )
    output, _ = await program.communicate()
    made = {name: folder / "out" / name for name in ("Chat.js", "usePerdure.js")}
    assert all(file.exists() for file in made.values()), output.decode()
    return {name: file.read_text() for name, file in made.items()}


def _wrapped(name: str) -> str:
    file, needs = _REACT[name]
    source = (_MODULES / file).read_text()
    exports = ", ".join(dict.fromkeys(re.findall(r"^\s*exports\.(\w+) =", source, re.MULTILINE)))
    imports = "".join(f"import n{number} from '/npm/{need}';\n" for number, need in enumerate(needs))
    table = ", ".join(f"'{need}': n{number}" for number, need in enumerate(needs))
    return (
        f"{imports}const module = {{ exports: {{}} }};\n"
        f"const require = (name) => ({{ {table} }})[name];\n"
        "const process = { env: { NODE_ENV: 'development' } };\n"
        f"(function (exports) {{\n{source}\n}})(module.exports);\n"
        f"export default module.exports;\nexport const {{ {exports} }} = module.exports;\n"
    )
