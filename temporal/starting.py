"""What a session's workflow is started with beside its input, whoever starts it: its memo and its search attributes.

Lists of sessions are made from these alone.
"""

import re
from dataclasses import asdict, dataclass
from typing import Any, Final

from temporalio.common import SearchAttributePair, TypedSearchAttributes

from workflows.attributes import AGENT, COST, STATUS, TENANT, USER
from workflows.commands import NewSession

_UNSEARCHABLE: Final = re.compile(r"[%'\"\\]")


@dataclass(frozen=True, slots=True)
class Memo:
    """What a session's memo holds, for lists and for telling the same create from another."""

    #: Of the request that created it; empty where it was none.
    body_sha256: str
    created_at: str
    title: str
    demo: bool

    def values(self) -> dict[str, Any]:
        return asdict(self)


def session_attributes(new: NewSession, *, works: bool) -> TypedSearchAttributes:
    """`works`: it starts with a message."""
    attributes: list[SearchAttributePair[Any]] = [
        SearchAttributePair(AGENT, new.agent),
        SearchAttributePair(STATUS, "working" if works else "idle"),
        SearchAttributePair(TENANT, new.tenant),
        SearchAttributePair(COST, 0.0),
    ]
    if new.user is not None:
        attributes.append(SearchAttributePair(USER, searchable(new.user)))
    return TypedSearchAttributes(attributes)


def searchable(value: str) -> str:
    """`value` as a search attribute holds it: without the characters that Temporal's SQL stores do not find again, or
    stumble over."""
    return _UNSEARCHABLE.sub(lambda match: f"%{ord(match[0]):02X}", value)
