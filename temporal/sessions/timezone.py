"""The session's time zone, which its metadata name: `{"timezone": "Europe/Berlin"}`."""

from collections.abc import Mapping

from pydantic import JsonValue

from perdure.temporal.sessions.errors import InvalidRequest
from perdure.workflows.vocabulary.zones import zone


def timezone_in(metadata: Mapping[str, JsonValue]) -> str | None:
    """The IANA name that `metadata` hold; None: none. Raises `InvalidRequest` where there is no such zone."""
    name = metadata.get("timezone")
    if name is None:
        return None
    if not isinstance(name, str) or zone(name) is None:
        raise InvalidRequest("metadata.timezone", "is not a time zone; give an IANA name such as Europe/Berlin")
    return name
