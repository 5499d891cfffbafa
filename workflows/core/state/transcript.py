"""What was said in a session, and what a model call sees of it."""

import hashlib
from dataclasses import dataclass

from perdure.workflows.core.media_tokens import Medium, media_in
from perdure.workflows.core.state.record import Record, replace
from perdure.workflows.protocol.left_out import LeftOut
from perdure.workflows.protocol.steps import View
from perdure.workflows.vocabulary.parts import Message


@dataclass(frozen=True, kw_only=True)
class Transcript(Record):
    messages: tuple[Message, ...] = ()
    #: Bytes of the messages as JSON, folded parts counted in full.
    size: int = 0
    #: Chained hash of the messages.
    prefix: str = ""
    #: Grows when what was said before changes its meaning.
    epoch: int = 0
    #: Files of the messages that have any.
    media: tuple[Medium, ...] = ()
    #: What a provider declined, so that later requests leave it out.
    left_out: tuple[LeftOut, ...] = ()

    @property
    def view(self) -> View:
        return View(epoch=self.epoch, count=len(self.messages), prefix=self.prefix)

    def leaving_out(self, left_out: tuple[LeftOut, ...]) -> "Transcript":
        """As later requests have it, which leave this out, too."""
        return replace(self, left_out=(*self.left_out, *left_out), epoch=self.epoch + 1)

    def said(self, message: Message) -> "Transcript":
        """With `message` at its end."""
        dumped = message.model_dump_json().encode()
        return replace(
            self,
            messages=(*self.messages, message),
            size=self.size + len(dumped) + sum(part.blob.size for part in message.parts if part.blob),
            media=(*self.media, *found) if (found := media_in(message)) else self.media,
            prefix=hashlib.sha256(self.prefix.encode() + dumped).hexdigest()[:32],
        )
