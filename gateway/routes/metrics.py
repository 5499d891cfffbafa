"""What Prometheus reads: all metrics of this process, the SDK's and ours, as its exporter gives them.

They tell of all tenants at once, though of none by name, and what they cost. So whoever asks is asked who they are, as
everywhere else; a reader without credentials has `PERDURE_METRICS_ADDRESS`.
"""

from typing import Final

from fastapi import APIRouter
from starlette.responses import Response

from perdure.gateway.http.problems import Problem
from perdure.gateway.routes.context import App, Caller
from perdure.gateway.routes.door import Door

MEDIA_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"

router = APIRouter(tags=["health"], route_class=Door)


@router.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}})
async def metrics(app: App, caller: Caller) -> Response:
    """Metrics in Prometheus' text format; 404 where this process keeps none."""
    caller.need("metrics")
    if app.read_metrics is None:
        raise Problem("not_found")
    try:
        text = await app.read_metrics()
    except OSError as error:
        raise Problem("internal") from error
    return Response(text, headers={"Content-Type": MEDIA_TYPE})
