"""The gateway that a command talks to: named, or that of the `perdure dev` on the data directory."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

import httpx2

from perdure.gateway.client.errors import PerdureError
from perdure.temporal.app.console.refused import Refused
from perdure.temporal.environment import DEFAULT_DATA_DIR, environment
from perdure.temporal.server.dev_addresses import find_dev

#: The environment variable with the API key for gateways that ask for one.
_KEY: Final = "PERDURE_API_KEY"
_HOW: Final = f"set {_KEY} to an API key of its, or name a file that holds one with --api-key-file"
#: Where a gateway serves unless it is told otherwise.
_USUAL: Final = "http://127.0.0.1:8000"


@dataclass(frozen=True, slots=True)
class GatewayAddress:
    url: str
    #: Options that make another command talk to the same gateway.
    options: str
    #: Where `url` comes from, for people.
    origin: str
    #: The API key; empty: none.
    key: str = field(default="", repr=False)

    @property
    def headers(self) -> dict[str, str]:
        """What says who calls."""
        return {"Authorization": f"Bearer {self.key}"} if self.key else {}

    def away(self, error: BaseException) -> Refused:
        """What to tell a person where nobody answers there."""
        return Refused(f"no gateway answers at {self.url} ({error}); {self.origin}")


def gateway_address(url: str | None, data_dir: Path | None, api_key_file: Path | None = None) -> GatewayAddress:
    """`url` if it is given, else where the `dev` on `data_dir` is, else where a gateway serves by default. The key is that of
    the file, else of `PERDURE_API_KEY`. Raises `Refused`."""
    found = replace(_address(url, data_dir), key=_api_key(api_key_file))
    return found if api_key_file is None else replace(found, options=f"{found.options} --api-key-file {api_key_file}")


def _api_key(file: Path | None) -> str:
    if file is None:
        key, where = environment().get(_KEY, "").strip(), _KEY
    else:
        try:
            key, where = file.read_text(encoding="utf-8").strip(), str(file)
        except OSError as error:
            raise Refused(f"the API key cannot be read from {file}: {error.strerror}") from None
        except UnicodeDecodeError:
            raise Refused(f"{file} holds no API key") from None
        if not key:
            raise Refused(f"{file} is empty, and should hold an API key")
    if not key.isascii() or not key.isprintable() or " " in key:
        # As a header it could not be sent, and the words of that failure would quote it.
        raise Refused(f"what {where} holds is no API key: keys are one line, as pk_TENANT_…")
    return key


def _address(url: str | None, data_dir: Path | None) -> GatewayAddress:
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
    """What an answer of the gateway's says went wrong, in one line for people."""
    try:
        problem = answer.json()
        said, code = str(problem["detail"]), problem.get("code")
    except (ValueError, KeyError, TypeError, AttributeError):
        said, code = f"the gateway answered {answer.status_code}", None
    return _words(answer.status_code, said, code, keyed="authorization" in answer.request.headers)


def problem_in(error: PerdureError, *, keyed: bool) -> str:
    """The same of an exception. `keyed`: an API key was sent."""
    said = error.problem.get("detail") or f"the gateway answered {error.status}"
    return _words(error.status, str(said), error.problem.get("code"), keyed=keyed)


def _words(status: int, said: str, code: str | None, *, keyed: bool) -> str:
    match status:
        case 401 if keyed:
            return f"{said} Give another one: {_HOW} (perdure keys list shows which there are)"
        case 401:
            return f"the gateway asks who calls: {_HOW} (perdure keys create makes one)"
        case 403 if keyed and code == "forbidden":
            return f"{said} The API key does not have it: perdure keys create --scope makes one that does"
        case 404 if keyed and code is not None:
            return (
                f"{said} Or it is not for this API key: keys see their own tenant's, and a user's key that user's own"
            )
        case _:
            return said
