"""What Perdure knows of a provider of models, as plain data.

Rule: nothing here imports an SDK, reads the environment or asks the network. Whoever needs a fact about a provider reads it
from its `ProviderInfo`, and nobody compares names of providers.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from perdure.workflows.definition.providers.dialect import PLAIN, Dialect
from perdure.workflows.definition.providers.known import KnownServer, Models


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Where a provider serves its API, and the credentials that it wants."""

    #: Empty: each customer has an address of its own, which `address` names.
    base_url: str
    #: A regular expression for further hosts of its own, over TLS.
    hosts: str | None = None
    #: Environment variables that hold a key. Any one of them will do.
    keys: tuple[str, ...]
    #: The environment variable that names another address, set by the operator beside the key.
    address: str | None = None
    #: The environment variable with more headers for its SDK to send, a line each. They may hold keys.
    more_headers: str | None = None
    #: The provider maintains the SDK of its wire, so the SDK finds keys, account and address by itself.
    own_sdk: bool = False
    #: The SDK finds credentials in other places, too (files, roles of a machine), so that no variable need be set.
    other_credentials: bool = False
    #: Who answers at any other address. `provider`: a proxy in front of this provider. `anyone`: a server that merely
    #: speaks the same API. It goes by no name, may serve any model at any price, and may want no key.
    elsewhere: Literal["provider", "anyone"] = "anyone"
    #: `azure`: addresses and keys are those of Azure's services.
    flavour: Literal["plain", "azure"] = "plain"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderInfo:
    #: As a definition's `use` names it: `anthropic` in `anthropic/claude-sonnet-5-5`.
    name: str
    #: As people call it, at the beginning of a sentence.
    display_name: str
    #: The module below `perdure.activities.models` that speaks its API, imported when it is first needed.
    wire: str
    #: The package of its SDK, by which its loggers are named, too; None: it has none.
    sdk: str | None = None
    #: Packages that its wire needs beside the SDK. The extra of Perdure that is named like the provider installs them.
    packages: tuple[str, ...] = ()
    #: None: it runs in the worker, and wants neither an address nor a key.
    endpoint: Endpoint | None = None
    #: Its id in the price list of `genai-prices`. None: only a definition can give prices.
    price_list: str | None = None
    #: Its calls cost nothing.
    free: bool = False
    #: `gen_ai.provider.name` in traces; the conventions of OpenTelemetry list the well-known names.
    trace_name: str
    #: How its API differs from others of its kind, and the limits that it sets. Holds at the provider's own address only.
    dialect: Dialect = PLAIN
    #: What can be relied on at any other address, where proxies and other makers' servers speak the same API.
    elsewhere: Dialect = PLAIN
    #: Models at its own address, and at any other of which nothing is known.
    models: tuple[Models, ...] = ()
    elsewhere_models: tuple[Models, ...] = ()
    #: Other servers that speak its API, the first that matches counts.
    servers: tuple[KnownServer, ...] = ()
    #: Where in the body of a request each field of `ModelParams` goes, member by member from the top. A field that is missing
    #: goes by its own name. An empty place: the API has nothing of the kind. A place that begins with `not `: it says the
    #: opposite.
    parameters: Mapping[str, str] = field(default_factory=dict)

    @property
    def api(self) -> str:
        """The API that it speaks, as its wire is named: `anthropic_messages`, `openai_responses`, `openai_chat`, `gemini`."""
        return self.wire.rpartition(".")[2]
