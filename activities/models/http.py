"""HTTP clients for model servers. The size of responses is limited, for a base URL may lead to any server."""

from typing import Final

from perdure.activities.encoding.unpacking import UNPACKED, Bounds, bounded

_MB: Final = 1024 * 1024
#: The longest answers of models have some hundred thousand events of a few hundred bytes.
_BOUNDS: Final = Bounds(body=16 * _MB, stream=64 * _MB, line=16 * _MB)


#: Headers of requests: no compression.
HEADERS: Final = UNPACKED
#: A hook of the HTTP client that refuses a response longer than any model's, while it is decompressed.
check_answer: Final = bounded(_BOUNDS)
