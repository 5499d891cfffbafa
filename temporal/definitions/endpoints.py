"""Which server a model's address belongs to, and which key it is given. A provider's key goes to its own servers only.

Its own are the host of its base URL, those below that host, and those that its record lists, over TLS. The operator adds the
address in the provider's own variable (`OPENAI_BASE_URL`, `ANTHROPIC_BASE_URL`): who sets it beside the key means both
together. Any other server gets a key only by `api_key` of the model definition. Addresses are parsed by the library that
connects, so that both see one host.
"""

import os
import re
from collections.abc import Mapping

from perdure.temporal.definitions.references import MissingVariable, resolve
from perdure.workflows.definition.agent import ModelDefinition
from perdure.workflows.definition.providers.info import Endpoint
from perdure.workflows.definition.providers.table import PROVIDERS
from perdure.workflows.definition.request_rules import KEY_HEADERS


def owns(endpoint: Endpoint, url: str) -> bool:
    """Whether `url` is one of the provider's own servers."""
    origin, own = _origin(url), _origin(endpoint.base_url)
    if origin is None or own is None:
        return False
    below = origin[1].endswith(f".{own[1]}")
    listed = endpoint.hosts is not None and re.fullmatch(endpoint.hosts, origin[1]) is not None
    return origin == own or ((below or listed) and (origin[0], origin[2]) == ("https", 443))


def named_address(endpoint: Endpoint, environment: Mapping[str, str]) -> str | None:
    """The address that the operator set in the provider's variable, if any."""
    return (environment.get(endpoint.address, "").strip() or None) if endpoint.address is not None else None


def asks_provider(endpoint: Endpoint, base_url: str | None, environment: Mapping[str, str]) -> bool:
    """Whether a model with this `base_url` (None: none) is served by the provider's own servers."""
    url = base_url or named_address(endpoint, environment)
    return url is None or owns(endpoint, url)


def is_given_key(endpoint: Endpoint, base_url: str | None, environment: Mapping[str, str]) -> bool:
    """Whether the provider's key goes to a definition's `base_url`, its variables filled in. None: no `base_url`."""
    if base_url is None or owns(endpoint, base_url):
        return True
    named = named_address(endpoint, environment)
    return named is not None and _origin(base_url) is not None and _origin(base_url) == _origin(named)


def key_in(endpoint: Endpoint, environment: Mapping[str, str]) -> str | None:
    """The provider's key, if a variable holds one."""
    return next((key for name in endpoint.keys if (key := environment.get(name, "").strip())), None)


def wants_key(endpoint: Endpoint, url: str | None, environment: Mapping[str, str]) -> bool:
    """Whether a call of `url` without a key is refused. None: where the provider is called by default."""
    if not endpoint.keys or endpoint.other_credentials:
        return False
    url = url or named_address(endpoint, environment)
    return url is None or owns(endpoint, url) or endpoint.elsewhere == "provider"


def gives_key(model: ModelDefinition) -> bool:
    """Whether the definition itself gives a key, by `api_key` or by a header."""
    return model.api_key is not None or any(name.lower() in KEY_HEADERS for name in model.headers)


def split_query(url: str) -> tuple[str, tuple[tuple[str, str], ...]]:
    """An address without its query, and the query: an SDK adds to an address what it calls there."""
    import httpx2

    if "?" not in url:
        return url, ()
    try:
        read = httpx2.URL(url)
        return str(read.copy_with(query=None)), tuple(read.params.multi_items())
    except httpx2.InvalidURL:
        return url, ()


def missing_key(model: ModelDefinition, environment: Mapping[str, str] | None = None) -> str | None:
    """The variable that has to be set before `model` can be called. None: nothing is missing, or nothing is needed."""
    environment = os.environ if environment is None else environment
    endpoint = PROVIDERS[model.provider].endpoint
    if endpoint is None:
        return None
    try:
        url = resolve(model.base_url, environment) if model.base_url else None
        for text in (*model.headers.values(), *model.query.values(), model.api_key or ""):
            resolve(text, environment)
    except MissingVariable as unset:
        return str(unset)
    if endpoint.address is not None and url is None and not _has_address(endpoint, environment):
        return endpoint.address
    if gives_key(model):
        return None
    if is_given_key(endpoint, url, environment):
        missing = key_in(endpoint, environment) is None and wants_key(endpoint, url, environment)
    else:
        # A server that merely speaks the provider's protocol may want no key.
        missing = url is not None and bool(endpoint.keys) and _is_host(endpoint, url)
    return endpoint.keys[0] if missing else None


def _has_address(endpoint: Endpoint, environment: Mapping[str, str]) -> bool:
    return bool(endpoint.base_url) or named_address(endpoint, environment) is not None


def address_of(model: ModelDefinition, environment: Mapping[str, str]) -> str | None:
    """Scheme, host and port that a call of `model` goes to, for people who run the worker. None: it goes nowhere, or nobody
    can say."""
    origin = origin_of(model, environment)
    if origin is None:
        return None
    scheme, host, port = origin
    return f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}"


def origin_of(model: ModelDefinition, environment: Mapping[str, str]) -> tuple[str, str, int] | None:
    """The same, in parts."""
    endpoint = PROVIDERS[model.provider].endpoint
    if endpoint is None:
        return None
    try:
        named = resolve(model.base_url, environment) if model.base_url else None
    except MissingVariable:
        return None
    return _origin(named or named_address(endpoint, environment) or endpoint.base_url)


def _is_host(endpoint: Endpoint, url: str) -> bool:
    """The provider's host, called in a way in which it gets no key: it will refuse the call."""
    origin, own = _origin(url), _origin(endpoint.base_url)
    return origin is not None and own is not None and origin[1] == own[1]


def _origin(url: str) -> tuple[str, str, int] | None:
    """Scheme, host and port. None: not an address, or one with credentials in it."""
    import httpx2

    try:
        read = httpx2.URL(url)
        if read.userinfo or read.scheme not in ("http", "https"):
            return None
        return read.scheme, read.raw_host.decode("ascii"), read.port or (443 if read.scheme == "https" else 80)
    except (httpx2.InvalidURL, UnicodeDecodeError, ValueError):
        return None
