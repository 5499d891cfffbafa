"""What a session's workflow is started with beside its input, whoever starts it: its memo, its search attributes, and how
urgent it is. Lists of sessions are made from the former two alone.
"""

import re
from dataclasses import asdict, dataclass
from typing import Any, Final

from temporalio.common import Priority, SearchAttributePair, TypedSearchAttributes

from perdure.workflows.protocol.commands import NewSession
from perdure.workflows.vocabulary.search_attributes import AGENT, COST, STATUS, TENANT, USER

#: Before whom somebody sits, and what nobody waits for. Between them is where any other session begins. Tasks of the former
#: are taken first wherever workers have more than they can do; sub-agents are as urgent as who calls them.
WATCHED: Final = Priority(priority_key=1)
BACKGROUND: Final = Priority(priority_key=5)

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
