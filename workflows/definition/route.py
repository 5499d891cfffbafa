"""The models that a step can go through: its role's own, then those that stand in for it. Pure.

A role that stands in brings its own fallbacks along, behind it. A model that is in the route already is not asked again.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from perdure.workflows.definition.model import Declined, FallbackModel, FallbackRole, ModelDefinition
from perdure.workflows.vocabulary.near_names import did_you_mean

Models = Mapping[str, ModelDefinition]


@dataclass(frozen=True, slots=True)
class Hop:
    """One model of a route."""

    #: A role; of a model that is written out below a role, that role and its place there: `capable/2`.
    key: str
    model: ModelDefinition
    #: Ends of an answer after which it is asked, beside failures.
    on: tuple[Declined, ...] = ()


def route(models: Models, role: str) -> tuple[Hop, ...]:
    """The models that a step of `role`, which is one of `models`, can go through, in order."""
    found: dict[str, Hop] = {}
    _follow(models, role, (), found)
    return tuple(found.values())


def every_model(models: Models) -> Iterator[Hop]:
    """Each model that a step can come to, once: those of roles, and those that are written out below them."""
    for role, model in models.items():
        yield Hop(role, model)
        for index, entry in enumerate(model.fallback):
            if isinstance(entry, FallbackModel):
                yield _written_out(role, index, entry)


def route_faults(models: Models, role: str) -> Iterator[tuple[int, str]]:
    """What is wrong with the fallbacks of `role`: the index of each entry, and why."""
    own = models[role]
    seen: list[object] = [own.model_copy(update={"fallback": ()})]
    for index, entry in enumerate(own.fallback):
        if isinstance(entry, FallbackModel):
            what: object = entry.as_definition()
            if what in seen:
                yield index, f"{entry.use} is in the route of {role!r} already"
        else:
            what = entry.role
            if entry.role not in models:
                near = did_you_mean(entry.role, models) or f"; there are: {', '.join(models)}"
                yield index, f"{entry.role!r} is not one of models{near}"
            elif entry.role == role:
                yield index, f"{role!r} cannot stand in for itself"
            elif what in seen:
                yield index, f"{entry.role!r} is in the route of {role!r} already"
            elif (circle := _circle(models, (role, entry.role))) is not None:
                yield index, f"these models stand in for each other: {' → '.join(circle)}"
        seen.append(what)


def _follow(models: Models, role: str, on: tuple[Declined, ...], found: dict[str, Hop]) -> None:
    if role in found or role not in models:
        return
    found[role] = Hop(role, models[role], on)
    for index, entry in enumerate(models[role].fallback):
        if isinstance(entry, FallbackRole):
            _follow(models, entry.role, entry.on, found)
        else:
            hop = _written_out(role, index, entry)
            found[hop.key] = hop


def _written_out(role: str, index: int, entry: FallbackModel) -> Hop:
    return Hop(f"{role}/{index + 1}", entry.as_definition(), entry.on)


def _circle(models: Models, path: tuple[str, ...]) -> tuple[str, ...] | None:
    """The first chain of roles from `path` on that comes back to its beginning."""
    for entry in models[path[-1]].fallback:
        if not isinstance(entry, FallbackRole) or entry.role not in models:
            continue
        if entry.role == path[0]:
            return (*path, entry.role)
        if entry.role not in path and (found := _circle(models, (*path, entry.role))) is not None:
            return found
    return None
