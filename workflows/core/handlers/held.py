"""How much one run of a handler holds. Pure."""

from typing import Final

from pydantic_core import to_json

#: Bytes of all variables, of the items of loops and of what calls at the same time are given and give, together.
MOST_HELD: Final = 512 * 1024
TOO_MUCH: Final = f"the handler's variables and lists hold more than {MOST_HELD // 1024} KiB"


def size(value: object) -> int:
    """Bytes of JSON."""
    return len(to_json(value, inf_nan_mode="strings"))
