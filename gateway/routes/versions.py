"""The route of an agent's versions: what changed from one to the next, and how many sessions rest on each."""

from typing import Annotated, Any, Final

from fastapi import APIRouter, Path, Query

from perdure.gateway.http.problems import Problem
from perdure.gateway.openapi.version_answers import VersionList
from perdure.gateway.routes.context import App, Caller
from perdure.gateway.routes.door import Door
from perdure.temporal.definitions.differences import Difference
from perdure.temporal.definitions.history import history
from perdure.temporal.sessions.errors import InvalidRequest
from perdure.temporal.sessions.json_bytes import rfc3339

#: Versions on a page, each of which costs a question to Temporal.
MOST: Final = 50

router = APIRouter(prefix="/v1/agents", tags=["agents"], route_class=Door)


@router.get("/{name}/versions", response_model=None, responses={200: {"model": VersionList}})
async def get_versions(
    name: Annotated[str, Path(max_length=64)],
    app: App,
    caller: Caller,
    limit: Annotated[int, Query(ge=1, le=MOST, description="At most this many")] = 20,
    cursor: Annotated[str | None, Query(max_length=64, description="`next_cursor` of the page before")] = None,
) -> dict[str, Any]:
    """The versions that there have been of an agent, also of one that serves no longer, the latest first; each with what
    changed and how many open sessions run it. A count may be a second old."""
    caller.need("agents:read")
    versions = await app.definitions.versions.of(name, caller.tenant)
    if not versions:
        raise Problem("agent_not_found")
    start = 0
    if cursor is not None:
        start = next((place + 1 for place, one in enumerate(versions) if one.digest == cursor), 0)
        if start == 0:
            raise InvalidRequest("cursor", "is not a cursor of this list")
    entries = await history(app.blobs, versions, start, start + limit)
    counted = await app.sessions.resting(caller, name, [entry.version.digest for entry in entries])
    serving = app.definitions.current(name, caller.tenant)
    told = [
        {
            "digest": entry.version.digest,
            "first_seen": rfc3339(entry.version.first_seen),
            "serving": serving is not None and serving.digest == entry.version.digest,
            "shared": entry.version.tenant is None,
            "before": entry.before,
            "changes": _changes_json(entry.changes, whole=caller.holds("trace")),
            "sessions": None if counted is None else counted.sessions[entry.version.digest],
        }
        for entry in entries
    ]
    return {
        "agent": name,
        "versions": told,
        "uncounted_sessions": None if counted is None else counted.unknown,
        "next_cursor": versions[start + limit - 1].digest if len(versions) > start + limit else None,
    }


def _changes_json(changes: tuple[Difference, ...] | None, *, whole: bool) -> list[dict[str, Any]] | None:
    """`whole`: also what the instructions and other fields say, which only those see who may read prompts."""
    if changes is None:
        return None
    shown = changes if whole else dict.fromkeys(change.without_content for change in changes)
    return [{"field": change.field, "text": change.text, "diff": list(change.diff)} for change in shown]
