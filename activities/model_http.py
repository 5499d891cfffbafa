"""HTTP clients for model servers: their answers are bounded, for anybody's server may stand behind a base URL."""

from typing import Any, Final

from activities.unpacking import UNPACKED, Bounds, bounded

_MB: Final = 1024 * 1024
#: The longest answers that models give have some hundred thousand events of a few hundred bytes.
_BOUNDS: Final = Bounds(body=16 * _MB, stream=64 * _MB, line=16 * _MB)


def model_options() -> dict[str, Any]:
    """Options of the HTTP client that a vendor's SDK is given; the SDK closes the client with its own."""
    return {"headers": UNPACKED, "event_hooks": {"response": [bounded(_BOUNDS)]}}
