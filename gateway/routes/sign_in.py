"""Routes of the sign-in on the gateway's own pages. What they give is a cookie, which no script can read."""

import time
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends
from pydantic import StringConstraints
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from perdure.gateway.auth.authenticate import anonymous
from perdure.gateway.auth.authentication import SIGNED_IN
from perdure.gateway.auth.own_page import is_own_page
from perdure.gateway.http.problems import Problem
from perdure.gateway.routes.context import App, Caller
from perdure.gateway.routes.door import Door, Entrance
from perdure.temporal.sessions.principal import Principal
from perdure.workflows.vocabulary.parts import Frozen

#: Browsers keep no longer cookies (RFC 6265, 6.1), and drop them without a word.
_LONGEST: Final = 3800
_COOKIE_PATH: Final = "/v1"
PATH: Final = f"{_COOKIE_PATH}/sign-in"
#: Bytes of a body: nobody is known yet who sends it.
BODY_BYTES: Final = 16 * 1024

router = APIRouter(prefix=PATH, include_in_schema=False, route_class=Door)


class SignIn(Frozen):
    #: An API key, a session's token, or a token of the identity provider.
    key: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=_LONGEST)]


async def _from_own_page(request: Request) -> None:
    if not is_own_page(request):
        raise Problem("forbidden", "People sign in and out on the gateway's own pages.")


@router.get("")
async def who_am_i(request: Request, app: App, caller: Caller) -> dict[str, Any]:
    """Whom the gateway takes the caller for, and whether a cookie says so. 401: nobody it knows."""
    asks = app.authenticate is not anonymous
    return {"asks": asks, "signed_in": asks and SIGNED_IN in request.cookies, **_who(caller)}


@router.post("", dependencies=[Depends(Entrance(_from_own_page))])
async def sign_in(request: Request, app: App, body: SignIn) -> Response:
    if app.sign_in is None:
        raise Problem("forbidden", "This gateway asks nobody who calls, so there is nothing to sign in to.")
    signed_in = await app.sign_in(body.key)
    answer = JSONResponse({"asks": True, "signed_in": True, **_who(signed_in.principal)})
    ends = signed_in.expires_at
    _set(request, answer, signed_in.text, None if ends is None else max(1, int(ends - time.time())))
    return answer


@router.delete("", dependencies=[Depends(Entrance(_from_own_page))])
async def sign_out(request: Request) -> Response:
    answer = Response(status_code=204)
    _set(request, answer, "", 0)
    return answer


def _set(request: Request, answer: Response, text: str, seconds: int | None) -> None:
    # A browser names the scheme of its page; behind a proxy the request's own is another.
    secure = request.url.scheme == "https" or request.headers.get("origin", "").startswith("https:")
    answer.set_cookie(
        SIGNED_IN, text, max_age=seconds, path=_COOKIE_PATH, secure=secure, httponly=True, samesite="strict"
    )


def _who(principal: Principal) -> dict[str, Any]:
    return {"tenant": principal.tenant, "subject": principal.subject, "session": principal.session}
