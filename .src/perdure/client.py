"""The Python client, for `from perdure.client import Perdure`: see `perdure.gateway.client.perdure`."""

from perdure.gateway.client import errors
from perdure.gateway.client.events import Event
from perdure.gateway.client.perdure import Perdure
from perdure.gateway.client.repeating import Wait
from perdure.gateway.client.session import Session
from perdure.gateway.client.turn import Turn

__all__ = ["Event", "Perdure", "Session", "Turn", "Wait", "errors"]
