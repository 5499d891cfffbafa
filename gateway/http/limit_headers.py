"""What callers are told of their limits: `RateLimit-Policy` and `RateLimit`, and `Retry-After` where one is reached.

Source: draft-ietf-httpapi-ratelimit-headers-10, sections 3 and 4. Both are lists of structured fields (RFC 9651), with an
item for each limit: `"user";q=50;w=10` are 50 requests in each 10 s, `"user";r=49;t=1` that 49 are left, and all 50 in a
second. A token bucket has no window that begins anew: `w` is the time in which an empty one fills, `t` until it is full.
"""

from typing import Final

from starlette.types import Scope

from perdure.temporal.sessions.errors import LimitReached, RateLimited, SessionError
from perdure.temporal.sessions.limits.bucket import Verdict

#: Where a request's answer finds headers that are not its own.
_KEY: Final = "perdure.headers"


def limit_headers(verdict: Verdict) -> dict[str, str]:
    limits = verdict.standings
    policies = (f'"{one.scope}";q={one.rate.most};w={one.rate.burst_s}' for one in limits)
    left = (f'"{one.scope}";r={one.remaining};t={one.full_in_s}' for one in limits)
    return {"RateLimit-Policy": ", ".join(policies), "RateLimit": ", ".join(left)}


def refusal_headers(error: SessionError) -> dict[str, str]:
    """Empty unless a limit is reached."""
    if not isinstance(error, LimitReached):
        return {}
    told = limit_headers(error.verdict) if isinstance(error, RateLimited) else {}
    return {"Retry-After": str(error.retry_after_s), **told}


def tell(scope: Scope, verdict: Verdict) -> None:
    """Has the answer to a request tell of its limits, whatever answers it."""
    scope.get(_KEY, {}).update(limit_headers(verdict))


def room(scope: Scope) -> dict[str, str]:
    """Where `tell` puts them. To be called before the request goes to its route."""
    headers: dict[str, str] = {}
    scope[_KEY] = headers
    return headers
