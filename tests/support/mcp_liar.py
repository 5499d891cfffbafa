"""An MCP server with invalid schemas, on stdin and stdout: `python -m tests.support.mcp_liar`.

With the argument `wholly`, its list of tools is itself invalid.
"""

import json
import sys
from typing import Any

NUMBER = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
TOOLS = [
    {"name": "liar", "inputSchema": {"type": "object"}, "outputSchema": NUMBER},
    {"name": "no_schema", "inputSchema": {"type": "object", "minProperties": "many"}},
    {
        "name": "bad_output",
        "inputSchema": {"type": "object"},
        "outputSchema": {"type": "object", "minProperties": "many"},
    },
    {"name": "not_base64", "inputSchema": {"type": "object"}},
    {"name": "no_result", "inputSchema": {"type": "object"}},
    {"name": "refuses", "inputSchema": {"type": "object"}},
]
RESULTS: dict[str, Any] = {
    "liar": {"content": [], "structuredContent": {"n": "seven"}},
    "not_base64": {"content": [{"type": "image", "data": "?", "mimeType": "image/png"}]},
    "no_result": {"content": "nothing"},
}


def answer(method: str, params: dict[str, Any]) -> dict[str, Any]:
    match method:
        case "initialize":
            info = {"name": "liar", "version": "1"}
            return {"protocolVersion": "2025-11-25", "capabilities": {"tools": {}}, "serverInfo": info}
        case "tools/list":
            return {"tools": "many"} if sys.argv[1:] == ["wholly"] else {"tools": TOOLS}
        case "tools/call" if params["name"] in RESULTS:
            return dict(RESULTS[params["name"]])
        case _:
            raise LookupError(method)


for line in sys.stdin:
    asked = json.loads(line)
    if "id" not in asked:
        continue
    reply: dict[str, Any] = {"jsonrpc": "2.0", "id": asked["id"]}
    try:
        reply["result"] = answer(asked["method"], asked.get("params", {}))
    except LookupError as error:
        reply["error"] = {"code": -32601 if asked["method"] == "server/discover" else -32050, "message": str(error)}
    sys.stdout.write(json.dumps(reply) + "\n")
    sys.stdout.flush()
