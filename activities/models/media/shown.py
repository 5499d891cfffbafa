"""What a model is shown of a file: the media themselves, or words on them."""

from dataclasses import dataclass, field
from typing import Literal

from pydantic import Field, SkipValidation

from perdure.workflows.vocabulary.parts import File, Text, ToolResult


@dataclass(frozen=True, slots=True)
class Media:
    """A picture, document or sound, in the form in which the server that is asked takes it."""

    kind: Literal["image", "document", "audio"]
    media_type: str
    name: str
    #: Base64. None: the server fetches it from `url`.
    data: str | None = field(default=None, repr=False)
    url: str | None = None


class ShownFile(File):
    """A file of a message, as the server that is asked is shown it."""

    shown: SkipValidation[Media | Text] = Field(exclude=True)


class ShownResult(ToolResult):
    """A tool's result whose output tells of its files in words, with those that can be shown beside it."""

    beside: SkipValidation[tuple[Media, ...]] = Field(exclude=True)


def is_address(uri: str) -> bool:
    """Whether a file lies where its user says, and not in the session."""
    return uri.startswith(("http://", "https://"))


def sized(count: int) -> str:
    """A number of bytes for people and models."""
    if count < 1000:
        return f"{count} bytes"
    return f"{round(count / 1000)} kB" if count < 1_000_000 else f"{count / 1_000_000:.1f} MB"
