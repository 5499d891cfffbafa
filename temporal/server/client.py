"""Connects worker, gateway and command line to a Temporal server, and sets up the search attributes it needs.

The standard `TEMPORAL_…` variables and configuration file say where the server is. For the address of an embedded server
they are ignored: a cloud API key in the environment must not turn TLS on for it.
"""

import asyncio
import functools
import re
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest, ListSearchAttributesRequest
from temporalio.client import Client, Interceptor
from temporalio.envconfig import ClientConfigProfile
from temporalio.runtime import Runtime
from temporalio.service import RetryConfig, RPCError, RPCStatusCode

from perdure.temporal.blob_address import BlobAddress
from perdure.temporal.server.dev_addresses import find_dev, temporal_is_named
from perdure.temporal.settings import Settings, environment
from perdure.temporal.stores.codec import data_converter
from perdure.temporal.telemetry import log
from perdure.temporal.user_error import UserError
from perdure.workflows.vocabulary.search_attributes import ALL

DEFAULT_ADDRESS = "localhost:7233"
_CONNECT_TIMEOUT_S = 10
_RPC_TIMEOUT = timedelta(seconds=10)
#: By default the SDK's backoff grows to 5 s, which would delay calls after the server is back.
_RETRIES = RetryConfig(max_interval_millis=400, max_retries=30)


class TemporalUnavailable(UserError):
    """The server does not answer or denies a request; the message names its address and the reason."""


async def connect(
    settings: Settings,
    *,
    address: str | None = None,
    namespace: str | None = None,
    blobs: BlobAddress | None = None,
    identity: str | None = None,
    runtime: Runtime | None = None,
    interceptors: Sequence[Interceptor] = (),
) -> Client:
    """A client with our data converter.

    `address` is `host:port`; None: from the environment, or else from the `perdure dev` that runs on the data directory.
    `blobs` defaults to `settings.blob_store`. `identity` is the name that the server shows for this process.
    `runtime` defaults to one that all clients of this process share. Raises `TemporalUnavailable` and `BucketUnusable`.
    """
    config = _profile(address or _dev_address(settings.data_dir)).to_client_connect_config()
    named = config.get("target_host")
    target = named or DEFAULT_ADDRESS
    nobody = "" if named else f"; TEMPORAL_ADDRESS is not set, and no perdure dev runs on {settings.data_dir}"
    try:
        # The SDK waits longer than a person would for an address that drops packets.
        async with asyncio.timeout(_CONNECT_TIMEOUT_S):
            return await Client.connect(
                target,
                namespace=namespace or config.get("namespace") or "default",
                api_key=config.get("api_key"),
                tls=config.get("tls"),
                rpc_metadata=config.get("rpc_metadata", {}),
                data_converter=data_converter(blobs or settings.blob_store),
                interceptors=interceptors,
                identity=identity,
                runtime=runtime or _runtime(),
                retry_config=_RETRIES,
            )
    except TimeoutError:
        raise TemporalUnavailable(
            f"no answer from Temporal at {target} within {_CONNECT_TIMEOUT_S} s{nobody}"
        ) from None
    except RuntimeError as error:
        # The SDK renders the whole chain of a Rust error; its last message is the one for people.
        reasons = re.findall(r'message: "([^"]+)"', str(error)) or [str(error)]
        raise TemporalUnavailable(f"cannot reach Temporal at {target}: {reasons[-1]}{nobody}") from error


def _dev_address(data_dir: Path) -> str | None:
    dev = None if temporal_is_named(environment()) else find_dev(data_dir)
    return dev.temporal if dev is not None else None


@functools.cache
def _runtime() -> Runtime:
    return log.runtime()


def _profile(address: str | None) -> ClientConfigProfile:
    if address is not None:
        return ClientConfigProfile(address=address)
    try:
        return ClientConfigProfile.load(override_env_vars=dict(environment()))
    except RuntimeError as error:
        raise TemporalUnavailable(f"the configuration of Temporal's clients cannot be read: {error}") from error


async def ensure_search_attributes(client: Client) -> None:
    """Adds the attributes of `perdure.workflows.vocabulary.search_attributes` that the namespace lacks. Idempotent, and
    safe to run concurrently.

    Raises `TemporalUnavailable` if attributes are missing and may not be added, or exist with another type.
    """
    where = f"namespace {client.namespace} of {client.service_client.config.target_host}"
    try:
        missing = await missing_search_attributes(client)
        if missing:
            await _add(client, missing)
            missing = await missing_search_attributes(client)
    except RPCError as error:
        raise TemporalUnavailable(f"cannot set up search attributes in {where}: {error.message}") from error
    if missing:
        named = ", ".join(f"{name} ({attribute_type(kind)})" for name, kind in missing.items())
        raise TemporalUnavailable(f"{where} lacks search attributes, or has them with another type: {named}")


def attribute_type(kind: IndexedValueType.ValueType) -> str:
    """The type's name in Temporal's command line: `Keyword`, `Double`."""
    return IndexedValueType.Name(kind)[19:].title()


async def missing_search_attributes(client: Client) -> dict[str, IndexedValueType.ValueType]:
    """The attributes of `perdure.workflows.vocabulary.search_attributes` that the namespace lacks or has with another
    type. Raises `RPCError`."""
    wanted = {key.name: IndexedValueType.ValueType(key.indexed_value_type) for key in ALL}
    known = await client.operator_service.list_search_attributes(
        ListSearchAttributesRequest(namespace=client.namespace), retry=True, timeout=_RPC_TIMEOUT
    )
    return {name: kind for name, kind in wanted.items() if known.custom_attributes.get(name) != kind}


async def _add(client: Client, missing: dict[str, IndexedValueType.ValueType]) -> None:
    try:
        await client.operator_service.add_search_attributes(
            AddSearchAttributesRequest(namespace=client.namespace, search_attributes=missing), timeout=_RPC_TIMEOUT
        )
    except RPCError as error:
        # Another process added them first, or one has another type: the caller's second look finds out.
        if error.status is not RPCStatusCode.ALREADY_EXISTS:
            raise
