"""The exporter that serves Perdure's metrics to Prometheus together with the SDK's.

There is one exporter, the SDK's: its core holds all numbers, ours recorded through its meter, and serves them as text
over HTTP. The alternative is `MetricBuffer` and a Python registry: Python has to drain the buffer, and the buffer drops
what does not fit. Recording into the core costs 2 µs and needs no lock of ours. This has two consequences. The core
listens on a port of its own, so a gateway fetches the text there and serves it as `/metrics`. And the core's counters
are whole numbers, so dollars are a histogram, whose `perdure_cost_usd_sum` is the total.
"""

import asyncio
import http.client
import ipaddress
import socket
from collections.abc import Mapping, Sequence
from typing import Final

from temporalio.runtime import PrometheusConfig, Runtime

from perdure.temporal.telemetry.hidden_address import hidden_address
from perdure.temporal.telemetry.log import runtime
from perdure.temporal.user_error import UserError

#: Seconds allowed for reading the exporter.
_READ_S = 5.0
#: Another process may take a free port before the exporter does.
_TRIES = 5

_SHORT: Final = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
_LONG: Final = (0.05, 0.1, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 20.0, 60.0, 120.0)
_BUCKETS: Final[Mapping[str, Sequence[float]]] = {
    "perdure_first_token_seconds": _LONG,
    "perdure_first_token_overhead_seconds": _SHORT,
    "perdure_stop_delay_seconds": (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0),
    "perdure_tool_blocked_seconds": (1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 20.0, 60.0, 120.0, 600.0),
    "perdure_live_lag_seconds": (0.0001, 0.00025, *_SHORT),
    "perdure_cost_usd": (0.0001, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0),
}


class ExporterFailed(UserError):
    """The exporter cannot listen; the message names the address and the reason."""


class Exporter:
    """Serves the metrics of `runtime` and of everything created on it."""

    def __init__(self, address: str | None) -> None:
        """Listens on `address` (`IP:port`); None: on an address that only programs of this machine can reach.

        Raises `ExporterFailed`.
        """
        self.runtime: Runtime
        for left in reversed(range(_TRIES)):
            self.address = address or _free_address()
            try:
                self.runtime = runtime(_config(self.address))
                return
            except ValueError as error:
                if address is not None or left == 0:
                    reason = str(error).removeprefix("Failed starting Prometheus exporter: ")
                    raise ExporterFailed(f"metrics cannot be served on {self.address}: {reason}") from error

    async def read(self) -> bytes:
        """All metrics of this process in Prometheus' text format 0.0.4. Raises `OSError`."""
        return await asyncio.to_thread(self._read)

    def _read(self) -> bytes:
        host, _, port = self.address.rpartition(":")
        at = ipaddress.ip_address(host.strip("[]"))
        if at.is_unspecified:
            host = "127.0.0.1" if at.version == 4 else "::1"
        connection = http.client.HTTPConnection(host.strip("[]"), int(port), timeout=_READ_S)
        try:
            connection.request("GET", "/metrics")
            return connection.getresponse().read()
        except http.client.HTTPException as error:
            raise OSError(f"the exporter at {self.address} sent an invalid response: {error}") from error
        finally:
            connection.close()


def _config(address: str) -> PrometheusConfig:
    return PrometheusConfig(
        bind_address=address,
        # Prometheus' base unit, with the unit in the name: `temporal_request_latency_seconds`.
        durations_as_seconds=True,
        unit_suffix=True,
        histogram_bucket_overrides=_BUCKETS,
    )


def _free_address() -> str:
    hidden = hidden_address()
    if hidden is not None:
        return f"{hidden.ip}:{hidden.port}"
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return f"127.0.0.1:{probe.getsockname()[1]}"
