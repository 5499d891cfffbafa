"""A request built again, for the trace: the bytes that a provider would be sent now, and what people are shown of them."""

import asyncio
import re
from collections.abc import Mapping
from typing import Final

from perdure.activities.models.call_attempt import encode_request
from perdure.activities.models.media.loading import MediaLoader
from perdure.activities.models.providers import Providers
from perdure.temporal.sessions.trace import Rebuilt
from perdure.temporal.stores.blobs import BlobStore
from perdure.workflows.protocol.steps import Prompt
from perdure.workflows.vocabulary.parts import Message

#: Base64 of a file; shorter ones are ids and signatures.
_BASE64: Final = re.compile(rb"[A-Za-z0-9+/]{256,}={0,2}(?=\")")


class Rebuilding:
    """Files come from the session's own blobs only: nothing is fetched to show a trace."""

    def __init__(self, providers: Providers, blobs: BlobStore, environment: Mapping[str, str]) -> None:
        self._providers = providers
        self._media = MediaLoader(blobs, environment)

    async def request(self, session: str, prompt: Prompt, messages: tuple[Message, ...]) -> Rebuilt:
        """What the provider of `prompt` would be sent of this conversation of `session`, a workflow id."""
        loaded = await self._media.load(session, prompt, messages)

        def built() -> Rebuilt:
            body = encode_request(self._providers.wire(prompt.model).request(prompt, loaded.messages))
            # Whoever reads a trace sees the file beside the message.
            return Rebuilt(body, _BASE64.sub(_counted, body) if loaded.encoded else body)

        return await asyncio.to_thread(built)


def _counted(found: re.Match[bytes]) -> bytes:
    return b"(%d characters of base64)" % len(found[0])
