"""A line of `perdure doctor` for each model: who serves it, what is known of it there, and what workers have learnt."""

from collections.abc import AsyncIterator, Mapping

from perdure.temporal.app.commands.checkup import Check
from perdure.temporal.definitions.dialects import Known, known_of
from perdure.temporal.definitions.endpoints import address_of
from perdure.temporal.definitions.folders import Reading
from perdure.temporal.definitions.servers import server_of
from perdure.temporal.stores.blobs import BlobStore
from perdure.temporal.stores.learnt import kept
from perdure.workflows.definition.agent import ModelDefinition
from perdure.workflows.definition.providers.table import PROVIDERS


async def models(reading: Reading, blobs: BlobStore | None, environment: Mapping[str, str]) -> AsyncIterator[Check]:
    """Each model once, with the agents that have it. Without `blobs`, nobody can say what workers have learnt."""
    users: dict[object, tuple[ModelDefinition, list[str]]] = {}
    for name, (definition, _) in reading.labelled.items():
        for hop in definition.every_model:
            model = hop.model
            same = (server_of(model, environment), model.use, model.thinking, model.files)
            users.setdefault(same, (model, []))[1].append(f"{name}.{hop.key}")
    for model, roles in users.values():
        yield await _check(model, roles, blobs, environment)


async def _check(
    model: ModelDefinition, roles: list[str], blobs: BlobStore | None, environment: Mapping[str, str]
) -> Check:
    provider = PROVIDERS[model.provider]
    who = f"{model.use} ({', '.join(roles)})"
    if provider.endpoint is not None and address_of(model, environment) is None:
        advice = "its base_url names a variable that is not set here, or is no address"
        return Check("unknown", "model", f"{who}: where it is served cannot be said", advice)
    known = known_of(provider, model, environment)
    found = f"{who}: {known.server or 'a server of which only the API is known'}; {', '.join(told(model, known))}"
    changes = await kept(blobs, server_of(model, environment), model.model_name) if blobs is not None else ()
    return Check("ok", "model", f"{found}; workers have learnt: {', '.join(changes)}" if changes else found)


def told(model: ModelDefinition, known: Known) -> list[str]:
    """What is known of the model, in short words."""
    dialect = known.dialect
    thinking = dialect.thinking
    if thinking.form == "none":
        thinks = "always thinks" if thinking.always else "does not think"
    elif model.thinking != "off":
        thinks = f"thinks: {thinking.levels.get(model.thinking, model.thinking)}"
    elif thinking.always:
        thinks = f"always thinks, here at its least ({thinking.off})"
    else:
        thinks = "thinking is off" if thinking.off is not None else "thinking is not asked for"
    files = dialect.files
    kinds = [
        kind for kind, types in (("images", files.images), ("PDF", files.documents), ("sound", files.audio)) if types
    ]
    facts = [thinks, f"takes {' and '.join(kinds)}" if kinds else "takes text only"]
    if dialect.most_tools is not None:
        facts.append(f"at most {dialect.most_tools} tools")
    refused = sorted(dialect.refused(model.thinking))
    return [*facts, f"without {' and '.join(refused)}"] if refused else facts
