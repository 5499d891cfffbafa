"""HTTP clients for model servers: their answers are bounded, for anybody's server may stand behind a base URL."""

from typing import Final

from perdure.activities.encoding.unpacking import UNPACKED, Bounds, bounded

_MB: Final = 1024 * 1024
#: The longest answers that models give have some hundred thousand events of a few hundred bytes.
_BOUNDS: Final = Bounds(body=16 * _MB, stream=64 * _MB, line=16 * _MB)


#: Asks for answers that are not packed.
HEADERS: Final = UNPACKED
#: Refuses an answer that is longer than any model's, as it is unpacked; a hook of the HTTP client.
check_answer: Final = bounded(_BOUNDS)
