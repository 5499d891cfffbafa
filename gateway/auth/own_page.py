"""Whether a request comes from a page of this gateway, or from no page at all.

Pages of the origins in `PERDURE_ALLOWED_ORIGINS` pass the guard, too. Some of them are of the same site as the gateway, so
that a browser sends them its cookies; what a person signed in for on the gateway's own pages is not theirs.
"""

from typing import Final

from starlette.requests import HTTPConnection

from perdure.gateway.http.hosts import Host

_OURS: Final = frozenset(["same-origin", "none"])


def is_own_page(request: HTTPConnection) -> bool:
    host = Host.parse(request.headers.get("host", ""))
    if host is None or not all(map(host.is_origin, request.headers.getlist("origin"))):
        return False
    return _OURS.issuperset(request.headers.getlist("sec-fetch-site"))
