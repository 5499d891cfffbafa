"""An MCP server that tells whose it is: `python -m tests.support.mcp_whoami` on stdin and stdout.

Its only tool, `whoami`, returns the variables `WHO` and `TOKEN` of its environment and the id of its process.
"""

import json
import os
import sys
from typing import Any


def answer(method: str) -> dict[str, Any] | None:
    match method:
        case "initialize":
            info = {"name": "whoami", "version": "1"}
            return {"protocolVersion": "2025-11-25", "capabilities": {"tools": {}}, "serverInfo": info}
        case "tools/list":
            return {"tools": [{"name": "whoami", "inputSchema": {"type": "object"}}]}
        case "tools/call":
            told = {"who": os.environ.get("WHO"), "token": os.environ.get("TOKEN"), "pid": os.getpid()}
            return {"content": [], "structuredContent": told}
        case _:
            return None


for line in sys.stdin:
    asked = json.loads(line)
    if "id" not in asked:
        continue
    result = answer(asked["method"])
    said = {"error": {"code": -32601, "message": "unknown"}} if result is None else {"result": result}
    sys.stdout.write(json.dumps({"jsonrpc": "2.0", "id": asked["id"], **said}) + "\n")
    sys.stdout.flush()
