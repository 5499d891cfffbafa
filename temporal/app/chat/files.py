"""Files that a person at a terminal sends with a message."""

import mimetypes
from pathlib import Path
from typing import Any

from perdure.client import errors
from perdure.temporal.app.console.connection import Connection
from perdure.temporal.app.console.gateway import problem_of
from perdure.temporal.app.console.refused import Refused


def upload(gateway: Connection, given: str) -> dict[str, Any]:
    """The part of a message that names the file at a path, once it was uploaded. Raises `Refused`."""
    path = Path(given).expanduser()
    try:
        data = path.read_bytes()
    except OSError as error:
        raise Refused(f"{given} cannot be read: {error.strerror or error}") from None
    kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    try:
        answer = gateway.ask_once(
            "POST", "/v1/files", params={"name": path.name}, content=data, headers={"Content-Type": kind}
        )
    except errors.Unreachable:
        raise Refused(f"{given} was not sent: the gateway does not answer") from None
    if answer.status_code != 200:
        raise Refused(problem_of(answer))
    uploaded = answer.json()
    return {"type": "file", "uri": uploaded["uri"], "name": uploaded["name"]}
