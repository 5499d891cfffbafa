"""An MCP server that answers a call with exactly the bytes that it is given: `python -m tests.support.mcp_raw` on
stdin and stdout.

Its only tool, `say`, takes `lines`, which it writes for the call, one after the other, with `{id}` for the call's id
and `{e9}` for a byte that is not UTF-8. With `after` it waits for that many calls before it answers any. With `endless`
it writes that many megabytes instead, in one line.
"""

import json
import os
import sys
from typing import Any

TOOL = {"name": "say", "inputSchema": {"type": "object"}}
waiting: list[dict[str, Any]] = []
calls = 0


def write(line: str) -> None:
    sys.stdout.buffer.write(line.encode().replace(b"{e9}", b"\xe9") + b"\n")
    sys.stdout.buffer.flush()


def result(request_id: Any, of: dict[str, Any]) -> None:
    write(json.dumps({"jsonrpc": "2.0", "id": request_id, "result": of}))


for read in sys.stdin:
    asked = json.loads(read)
    if "id" not in asked:
        continue
    match asked["method"]:
        case "initialize":
            info = {"name": "raw", "version": "1"}
            hello = {"protocolVersion": "2025-11-25", "capabilities": {"tools": {}}, "serverInfo": info}
            result(asked["id"], hello)
        case "tools/list":
            result(asked["id"], {"tools": [TOOL]})
        case "tools/call":
            calls += 1
            if megabytes := asked["params"]["arguments"].get("endless"):
                sys.stdout.write('{"jsonrpc":"2.0","id":' + json.dumps(asked["id"]) + ',"result":{"content":"')
                for _ in range(megabytes):
                    sys.stdout.write("x" * 1024 * 1024)
                write("")
                continue
            waiting.append(asked)
            if len(waiting) < asked["params"]["arguments"].get("after", 1):
                continue
            for call in waiting:
                for line in call["params"]["arguments"]["lines"]:
                    if line == "exit":
                        os._exit(0)
                    write(line.replace("{id}", json.dumps(call["id"])).replace("{calls}", str(calls)))
            waiting.clear()
        case _:
            write(json.dumps({"jsonrpc": "2.0", "id": asked["id"], "error": {"code": -32601, "message": "unknown"}}))
