"""A definition as the blob store holds it, under its digest."""

import hashlib
import json
import re
from dataclasses import dataclass
from typing import Final

import structlog

from perdure.temporal.stores.blobs import BlobMissing, BlobStore
from perdure.workflows.definition.agent import AgentDefinition

_DIGEST: Final = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Stored:
    definition: AgentDefinition
    #: Stands in the digest for the specs of its tools and the other agents that it names.
    salt: str = ""
    #: The only tenant that has it; None: all of them have it.
    tenant: str | None = None


def key_of(digest: str) -> str:
    return f"definitions/agents/{digest}"


async def read_stored(blobs: BlobStore, digest: str) -> Stored | None:
    """The definition with this digest; None where nobody published it, or where this version of Perdure cannot read it.

    Raises `StoreUnavailable` and `BlobDamaged`."""
    if _DIGEST.fullmatch(digest) is None:
        return None
    try:
        stored = await blobs.get(key_of(digest))
    except BlobMissing:
        return None
    if hashlib.sha256(stored).hexdigest() != digest:
        # Whatever the store makes of its keys: a digest stands for this content and no other.
        structlog.get_logger().warning("definition.damaged", digest=digest)
        return None
    try:
        content = json.loads(stored)
        definition = AgentDefinition.model_validate(content["agent"])
        return Stored(definition, content.get("tools", ""), content.get("tenant"))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        # Written by another version of Perdure, whose fields this one does not carry out.
        structlog.get_logger().warning("definition.unreadable", digest=digest, error=type(error).__name__)
        return None
