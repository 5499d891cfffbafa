"""A cursor that the list did not make, by somebody who knows how its check is made: it has no secret."""

from pathlib import Path

import pytest

from perdure.temporal.app.dev_server.server import DevServer
from perdure.temporal.live.protocols import Nowhere
from perdure.temporal.sessions import listing
from perdure.temporal.sessions.errors import InvalidRequest
from perdure.temporal.sessions.principal import Principal
from perdure.temporal.sessions.requests import CreateSession
from perdure.temporal.sessions.scopes import EVERYTHING
from perdure.temporal.sessions.service import Sessions
from perdure.temporal.sessions.visibility import visibility_query
from tests.support.session_lab import lab_on

pytestmark = pytest.mark.server

BACKEND = Principal("lab", None, EVERYTHING, actor="key:1")


def forged(token: bytes) -> str:
    query = visibility_query(BACKEND.tenant, agent=None, status=None, user=None)
    return listing._cursor(query, token)


async def test_a_forged_cursor_is_refused_at_once(temporal_server: DevServer, tmp_path: Path) -> None:
    async with lab_on(temporal_server, tmp_path) as lab:
        parts = lab.parts
        service = Sessions(lab.client, parts.settings, parts.blobs, parts.definitions, Nowhere())
        for token in (b"x", b"\0" * 100, b'{"CloseTime": 1}', b"[]"):
            with pytest.raises(InvalidRequest) as refused:
                await service.list(BACKEND, agent=None, status=None, user=None, cursor=forged(token))
            assert [fault.field for fault in refused.value.errors] == ["cursor"]
        # What Temporal can read is a place in the caller's own list.
        await service.start(Principal("other", None, EVERYTHING), CreateSession(agent="helper"))
        page = await service.list(BACKEND, agent=None, status=None, user=None, cursor=forged(b'{"RunID":"\' OR 1=1"}'))
        assert {one["workflow_id"].partition("/")[0] for one in page["sessions"]} <= {"lab"}
