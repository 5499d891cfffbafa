"""Routes of tokens: what a backend gives a browser, so that it reaches one session for some minutes."""

from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Path

from perdure.gateway.http.bodies import MakeToken, SessionPath
from perdure.gateway.openapi.answers import TokenMade, TokenNamed
from perdure.gateway.routes.context import App, Caller
from perdure.gateway.routes.door import Door

router = APIRouter(prefix="/v1/sessions/{session_id}/tokens", tags=["tokens"], route_class=Door)


@router.post("", status_code=201, response_model=TokenMade)
async def make_token(session_id: SessionPath, app: App, caller: Caller, body: MakeToken | None = None) -> TokenMade:
    """Makes a token with which a browser reaches this session and those of its sub-agents, and no other, for at most 15
    minutes: by the header `Authorization: Bearer …` or the cookie `perdure_token`. Only an API key makes one."""
    wanted = body or MakeToken()
    owner = await app.sessions.entrust(caller, session_id, wanted.acts)
    made = app.tokens.mint(caller, session_id, owner, wanted.scopes, int(wanted.ttl.total_seconds()))
    return TokenMade(
        session_id=session_id,
        token=made.text,
        jti=made.token_id,
        scopes=wanted.scopes,
        expires_at=datetime.fromtimestamp(made.expires_at, UTC),
    )


@router.delete("/{jti}", response_model=TokenNamed)
async def revoke_token(
    session_id: SessionPath,
    jti: Annotated[str, Path(pattern=r"^[0-9a-f]{32}$", description="The token's id")],
    app: App,
    caller: Caller,
) -> TokenNamed:
    """Revokes a token: this gateway refuses it from now on, others within seconds. Again: 200."""
    await app.sessions.entrust(caller, session_id, ("read",))
    await app.tokens.revoke(caller.tenant, session_id, jti)
    return TokenNamed(session_id=session_id, jti=jti)
