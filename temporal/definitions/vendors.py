"""Whose server a model's address is. A vendor's key goes to the vendor's own servers, and to no other.

Its own are its host and those below it, over TLS. To these comes what the vendor's own variable for the address names
(`OPENAI_BASE_URL`, `ANTHROPIC_BASE_URL`): whoever set it beside the key meant both together. Any other server gets a key only
by `api_key` of the model definition. Addresses are read by the parser of the client that connects, so that both see one host.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from perdure.temporal.definitions.references import MissingVariable, resolve
from perdure.workflows.definition.agent import ModelDefinition


@dataclass(frozen=True, slots=True)
class Vendor:
    host: str
    #: Variables that hold a key, either of which will do, and the one that holds the address.
    keys: tuple[str, ...]
    address: str

    def owns(self, url: str) -> bool:
        """Whether `url` is of the vendor's own servers."""
        origin = _origin(url)
        return (
            origin is not None
            and (origin[0], origin[2]) == ("https", 443)
            and (origin[1] == self.host or origin[1].endswith(f".{self.host}"))
        )

    def is_given_key(self, base_url: str | None, environment: Mapping[str, str]) -> bool:
        """Whether the vendor's key goes to a definition's `base_url`, its variables filled in; None: where the SDK goes."""
        if base_url is None:
            return True
        named = environment.get(self.address, "").strip()
        return self.owns(base_url) or (
            bool(named) and _origin(base_url) is not None and _origin(base_url) == _origin(named)
        )


ANTHROPIC: Final = Vendor("api.anthropic.com", ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN"), "ANTHROPIC_BASE_URL")
OPENAI: Final = Vendor("api.openai.com", ("OPENAI_API_KEY",), "OPENAI_BASE_URL")
#: By provider, as a definition's `use` names it.
VENDORS: Final = {"anthropic": ANTHROPIC, "openai": OPENAI, "openai-chat": OPENAI}


def missing_key(model: ModelDefinition, environment: Mapping[str, str] | None = None) -> str | None:
    """The variable that has to be set before `model` can be called; None: nothing is missing, or nothing is needed."""
    environment = os.environ if environment is None else environment
    vendor = VENDORS.get(model.provider)
    if vendor is None:
        return None
    try:
        url = resolve(model.base_url, environment) if model.base_url else None
        if model.api_key is not None:
            resolve(model.api_key, environment)
            return None
    except MissingVariable as missing:
        return str(missing)
    if not vendor.is_given_key(url, environment):
        # A server that merely speaks the vendor's protocol may want no key.
        return None if url is None or not _near(vendor, url) else vendor.keys[0]
    if any(environment.get(name, "").strip() for name in vendor.keys):
        return None
    # An OpenAI-compatible server that the operator named may want no key either.
    open_server = vendor is OPENAI and environment.get(vendor.address, "").strip() and not (url and vendor.owns(url))
    return None if open_server else vendor.keys[0]


def _near(vendor: Vendor, url: str) -> bool:
    """The vendor's host, asked in a way in which it gets no key: it will refuse the call."""
    origin = _origin(url)
    return origin is not None and origin[1] == vendor.host


def _origin(url: str) -> tuple[str, str, int] | None:
    """Scheme, host and port; None where it is no address, or one that says who asks."""
    import httpx2

    try:
        read = httpx2.URL(url)
        if read.userinfo or read.scheme not in ("http", "https"):
            return None
        return read.scheme, read.raw_host.decode("ascii"), read.port or (443 if read.scheme == "https" else 80)
    except (httpx2.InvalidURL, UnicodeDecodeError, ValueError):
        return None
