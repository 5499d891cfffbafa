"""Ids that a client makes, and bodies without what was not given."""

import uuid
from typing import Any


def new_id() -> str:
    """An id for a session or a message."""
    return uuid.uuid4().hex


def given(**values: Any) -> dict[str, Any]:
    """Those values that are not None."""
    return {name: value for name, value in values.items() if value is not None}
