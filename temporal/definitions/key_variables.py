"""Which variables the key of a model's calls comes from, for people who have to mend a key that is refused. Names only."""

from collections.abc import Mapping

from perdure.temporal.definitions.endpoints import is_given_key
from perdure.temporal.definitions.references import MissingVariable, names_in, resolve
from perdure.workflows.definition.agent import ModelDefinition
from perdure.workflows.definition.providers.info import Endpoint, ProviderInfo
from perdure.workflows.definition.request_rules import KEY_HEADERS, looks_secret


def key_variables(
    model: ModelDefinition, provider: ProviderInfo, environment: Mapping[str, str]
) -> tuple[str, ...] | None:
    """The variables of `environment` that hold the key of calls of `model`. (): its calls bear no key. None: the key comes
    from elsewhere, such as a file that the SDK finds, or the provider wants none."""
    endpoint = provider.endpoint
    if endpoint is None:
        return None
    named = names_in([*([model.api_key] if model.api_key else []), *_secrets(model.headers), *_secrets(model.query)])
    if named:
        return named
    try:
        address = resolve(model.base_url, environment) if model.base_url else None
    except MissingVariable:
        return None
    if not is_given_key(endpoint, address, environment):
        return ()
    held = next((name for name in endpoint.keys if environment.get(name, "").strip()), None)
    variables = [name for name in (held, _of_headers(endpoint, environment)) if name is not None]
    return tuple(variables) or (None if endpoint.own_sdk else ())


def _of_headers(endpoint: Endpoint, environment: Mapping[str, str]) -> str | None:
    """The variable with more headers of the SDK, if one of them is a key's."""
    lines = environment.get(endpoint.more_headers, "").split("\n") if endpoint.more_headers else []
    bears = any(line.partition(":")[0].strip().lower() in KEY_HEADERS for line in lines)
    return endpoint.more_headers if bears else None


def _secrets(values: Mapping[str, str]) -> list[str]:
    """What stands where servers take keys, the usual places first."""
    return [
        value
        for name, value in sorted(values.items(), key=lambda item: item[0].lower() not in KEY_HEADERS)
        if name.lower() in KEY_HEADERS or looks_secret(name)
    ]
