"""Tools that tell what they should not: a variable's value, in the words of their failures and in their progress."""

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
    """Fails with a type of its own, details and a cause, all of which hold the key."""
    basic = base64.b64encode(f"user:{_key()}".encode()).decode()
    try:
        raise ValueError(f"Authorization: Basic {basic}")
    except ValueError as error:
        message = f"{'long ' * 100}{_key()} refused"
        raise ApplicationError(message, {"sent": {"key": _key(), "number": 7}}, type="refused") from error


@activity.defn
def leak_listed() -> str:
    """Fails, in a thread, with a variable that only a definition's `secrets` calls one."""
    raise LookupError(f"no such place as {os.environ['PLACE_OF_STOCK']}")


@activity.defn
async def give() -> str:
    """Returns its key: its result is its user's."""
    return _key()
