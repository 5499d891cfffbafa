"""The gateway that a command talks to: named, or that of the `perdure dev` on the data directory."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpx2

from perdure.temporal.app.console.refused import Refused
from perdure.temporal.environment import DEFAULT_DATA_DIR, environment
from perdure.temporal.server.dev_addresses import find_dev

#: The environment variable with the API key for gateways that ask for one.
_KEY: Final = "PERDURE_API_KEY"
#: Where a gateway serves unless it is told otherwise.
_USUAL: Final = "http://127.0.0.1:8000"


@dataclass(frozen=True, slots=True)
class GatewayAddress:
    url: str
    #: Options that make another command talk to the same gateway.
    options: str
    #: Where `url` comes from, for people.
    origin: str

    @property
    def headers(self) -> dict[str, str]:
        """What says who calls: the API key in `PERDURE_API_KEY`, or nothing."""
        key = environment().get(_KEY, "").strip()
        return {"Authorization": f"Bearer {key}"} if key else {}

    def away(self, error: Exception) -> Refused:
        """What to tell a person where nobody answers there."""
        return Refused(f"no gateway answers at {self.url} ({error}); {self.origin}")


def gateway_address(url: str | None, data_dir: Path | None) -> GatewayAddress:
    """`url` if it is given, else where the `dev` on `data_dir` is, else where a gateway serves by default."""
    if url is not None:
        return GatewayAddress(url, f" --url {url}", "perdure dev starts one")
    folder = data_dir or DEFAULT_DATA_DIR
    options = f" --data-dir {data_dir}" if data_dir is not None else ""
    dev = find_dev(folder)
    if dev is not None:
        return GatewayAddress(dev.gateway, options, f"the perdure dev on {folder} serves there, and may be stopping")
    return GatewayAddress(
        _USUAL, options, f"no perdure dev runs on {folder}: start it, or name the gateway with --data-dir or --url"
    )


def problem_of(answer: httpx2.Response) -> str:
    """What an answer of the gateway's says went wrong, for people."""
    if answer.status_code == 401:
        return f"the gateway asks who calls: set {_KEY} to an API key of its (perdure keys create makes one)"
    try:
        return str(answer.json()["detail"])
    except (ValueError, KeyError, TypeError):
        return f"the gateway answered {answer.status_code}"
