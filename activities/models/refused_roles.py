"""What becomes of a role, or of instructions apart from the messages, that a server refuses. Pure."""

import re
from typing import Final

from perdure.activities.models.adaptation import Body, Change, value_at
from perdure.activities.models.other_forms import SystemAs
from perdure.activities.models.refusal import Refusal
from perdure.activities.models.refused_members import stands

_ROLE: Final = re.compile(
    r"(?:system|developer)\W{0,3}\s*(?:role|messages?|prompts?|instructions?)\W{0,3}\s*(?:is|are)?\s*(?:not|un)"
    r"|(?:role|roles)\W{0,4}\s*[`'\"]?(?:system|developer)\b"
    r"|(?:does not|doesn't|not) support (?:the )?[`'\"]?(?:system|developer)\b"
    r"|only user(?:,| and| or)[^.]*roles? (?:is|are) supported|roles must alternate"
    r"|(?:unexpected|invalid|unknown|unsupported) (?:role|value|variant|message role)\W{0,4}(?:system|developer)\b",
    re.IGNORECASE,
)
#: The servers' words for who speaks first.
_USER_FIRST: Final = re.compile(
    r"\bfirst (?:message|turn|content|role|item)\b[^.\n]{0,40}\buser\b|\b(?:start|begin)s? with (?:an? |the )?\W?user\b",
    re.IGNORECASE,
)
#: Roles of messages at any vendor, and where a body has what a model is told beforehand, apart from them.
_ROLES: Final = frozenset(("system", "developer", "user", "assistant", "tool", "function", "model"))
_TOLD: Final = ("instructions", "system", "systemInstruction", "system_instruction")


def role_cures(refusal: Refusal, body: Body) -> list[Change]:
    """What the model is told beforehand, with another role or in the first message of the user."""
    refused = _ROLE.search(refusal.words) is not None or _user_first(refusal, body) or _told_apart(refusal, body)
    roles = _roles(refusal, body)
    if not refused and not roles:
        return []
    developer = SystemAs("system")
    # `developer` is the newer name of the same role, so a server that lists `system` takes that.
    if developer.apply(body) is not body and ("developer" in refusal.lower or "system" in roles):
        return [developer]
    told = SystemAs("user")
    return [told] if told.apply(body) is not body and (refused or "system" not in roles) else []


def _user_first(refusal: Refusal, body: Body) -> bool:
    """Whether the server wants the user to speak first, and somebody else did so with what the model is told."""
    begun = value_at(body, ("messages", "*", "role")) in ("system", "developer") or "instructions" in body
    return begun and _USER_FIRST.search(refusal.words) is not None


def _told_apart(refusal: Refusal, body: Body) -> bool:
    """Whether the server does not take the member of the body that holds what the model is told."""
    for name in filter(body.__contains__, _TOLD):
        if any(_is(place[0], name) and len(place) > 1 for place in refusal.places):
            return False  # something within it
        if ((name,) in refusal.places or stands(name, refusal.words)) and refusal.is_unknown:
            return True
    return False


def _roles(refusal: Refusal, body: Body) -> frozenset[str]:
    """The roles that the server lists, where it lists those that it takes for a message that is not one of a user."""
    roles = frozenset(refusal.choices) & _ROLES
    if "user" not in roles or len(roles) < 2:
        return frozenset()
    for holder, index, *_, last in (place for place in refusal.places if len(place) > 2 and place[-1] == "role"):
        messages = body.get(holder)
        if isinstance(messages, list) and index.isdecimal() and len(index) < 10 and int(index) < len(messages):
            message = messages[int(index)]
            if isinstance(message, dict) and message.get(last) not in ("system", "developer"):
                return frozenset()
    return roles


def _is(place: str, name: str) -> bool:
    return place.replace("_", "").lower() == name.replace("_", "").lower()
