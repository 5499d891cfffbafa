"""Tools that leak a secret variable's value in their errors and in their progress."""

import base64
import os
from urllib.parse import quote

from temporalio import activity
from temporalio.exceptions import ApplicationError


def _key() -> str:
    return os.environ["WAREHOUSE_API_KEY"]


@activity.defn
async def leak() -> str:
    """Fails with its key in the error and in the error's cause."""
    activity.heartbeat({"message": f"signing in with {_key()}"})
    try:
        raise ConnectionError(f"GET https://stock.example/?key={quote(_key(), safe='')} refused")
    except ConnectionError as error:
        raise RuntimeError(f"the warehouse does not take {_key()}") from error


@activity.defn
async def leak_typed() -> str:
    """Fails with its own error type, details and a cause, all of which contain the key."""
    basic = base64.b64encode(f"user:{_key()}".encode()).decode()
    try:
        raise ValueError(f"Authorization: Basic {basic}")
    except ValueError as error:
        message = f"{'long ' * 100}{_key()} refused"
        raise ApplicationError(message, {"sent": {"key": _key(), "number": 7}}, type="refused") from error


@activity.defn
def leak_listed() -> str:
    """Fails, in a thread, with a variable that is a secret only because a definition lists it in `secrets`."""
    raise LookupError(f"no such place as {os.environ['PLACE_OF_STOCK']}")


@activity.defn
async def give() -> str:
    """Returns its key: a result belongs to its user."""
    return _key()
