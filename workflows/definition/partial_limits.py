"""Some of the limits, in the shape of a definition's: what somebody has changed, and nothing else. Null lifts a cap."""

from typing import Annotated, TypeVar

from pydantic import AfterValidator, JsonValue

from perdure.workflows.definition.limits import Caps, Limits, PurseLimits, SessionLimits, TurnLimits

Group = TypeVar("Group", Limits, TurnLimits, SessionLimits, PurseLimits, Caps)
_GROUPS = Limits | TurnLimits | SessionLimits | PurseLimits | Caps


def _check(value: dict[str, JsonValue]) -> dict[str, JsonValue]:
    Limits.model_validate(value)
    return value


#: As JSON, for a record would not tell a cap that is lifted from one that is left out.
PartialLimits = Annotated[dict[str, JsonValue], AfterValidator(_check)]


def partial_limits(given: Limits) -> dict[str, JsonValue]:
    """What `given` sets by itself."""
    return _set_in(given)


def with_partial(limits: Limits, partial: dict[str, JsonValue]) -> Limits:
    """`limits` with what `partial` sets in place of its own. Raises pydantic's ValidationError."""
    return _merged(limits, Limits.model_validate(partial))


def joined(earlier: dict[str, JsonValue], later: dict[str, JsonValue]) -> dict[str, JsonValue]:
    """What both set, the later in place of the earlier."""
    made = {**earlier}
    for name, new in later.items():
        old = made.get(name)
        if isinstance(new, dict) and isinstance(old, dict):
            made[name] = joined(old, new)
        elif isinstance(new, dict) and name in made and old is None:
            # The whole period was lifted before, so the caps that are not named now stay lifted.
            made[name] = {**dict.fromkeys(Caps.model_fields), **new}
        else:
            made[name] = new
    return made


def _set_in(group: _GROUPS) -> dict[str, JsonValue]:
    made: dict[str, JsonValue] = {}
    written = group.model_dump(mode="json")
    for name in type(group).model_fields:
        if name not in group.model_fields_set:
            continue
        value = getattr(group, name)
        # A dump leaves out what is null.
        made[name] = _set_in(value) if isinstance(value, _GROUPS) else written.get(name)
    return made


def _merged(limits: Group, wanted: Group) -> Group:
    changes: dict[str, object] = {}
    for name in wanted.model_fields_set:
        new, old = getattr(wanted, name), getattr(limits, name)
        parts = isinstance(new, TurnLimits | SessionLimits | PurseLimits | Caps)
        changes[name] = _merged(old or type(new)(), new) if parts else new
    return limits.model_copy(update=changes)
