"""The settings of a process; with `temporal.environment`, the only place where the environment is read.

Our own settings are `PERDURE_…`. How to reach Temporal is told by the standard `TEMPORAL_…` (see
`perdure.temporal.server.client`), and keys and base URLs of model providers by their SDKs' own variables, which
nothing of ours copies or stores.
"""

import ipaddress
import re
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, ValidationError, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from perdure.temporal.environment import DEFAULT_DATA_DIR, environment
from perdure.temporal.user_error import UserError

__all__ = ["Settings", "SettingsInvalid", "environment"]

_PREFIX = "PERDURE_"


class SettingsInvalid(UserError):
    """A setting has a value that it cannot have; the message names the variable."""


#: `KEY=` in a compose file means that it is not set. Temporal makes one id of name and build, with these between them.
_Name = Annotated[str, Field(pattern=r"^[^.:\s]{1,200}$")]
_Build = Annotated[str, Field(pattern=r"^[^:\s]{1,200}$")]
_NotEmpty = BeforeValidator(lambda given: given or None)


_ADDRESS = "give an IP address and a port, as in 127.0.0.1:9464"


def _ip_and_port(given: str) -> str:
    host, _, port = given.rpartition(":")
    bare = host.removeprefix("[").removesuffix("]")
    try:
        bracketed = ipaddress.ip_address(bare).version == 6
    except ValueError:
        raise ValueError(_ADDRESS) from None
    if bracketed == (bare == host) or not port.isdecimal() or not 0 < int(port) < 65536:
        raise ValueError(_ADDRESS)
    return given


_HOST_NAME = re.compile(r"(\*\.)?[a-z0-9_-]+(\.[a-z0-9_-]+)*\.?", re.IGNORECASE)


def _host_names(given: Any) -> Any:
    """One text with commas, as a variable gives them, or a list."""
    names = tuple(name.strip() for name in given.split(",") if name.strip()) if isinstance(given, str) else given
    if not all(isinstance(name, str) and _HOST_NAME.fullmatch(name) for name in names):
        raise ValueError(
            "give names without scheme and port, with commas between them, as in agents.example.com,*.internal.example.com"
        )
    return names


_HostNames = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_host_names)]
_Address = Annotated[str, AfterValidator(_ip_and_port)]
_Switch = Annotated[bool, BeforeValidator(lambda given: given or False)]


def _patterns(given: object) -> object:
    """`A, B_*` as an environment variable has it; empty is not set."""
    if not isinstance(given, str):
        return given
    return tuple(word for part in given.split(",") if (word := part.strip())) or None


_Patterns = Annotated[tuple[str, ...] | None, NoDecode, BeforeValidator(_patterns)]


class Settings(BaseSettings):
    """Seconds, bytes and counts, as the names say. Make one by `Settings.load()`."""

    model_config = SettingsConfigDict(env_prefix=_PREFIX, frozen=True, extra="forbid")

    #: Everything that `perdure dev` keeps: Temporal's database, logs, blobs.
    data_dir: Path = DEFAULT_DATA_DIR
    #: The blob store, where it is not `blobs` in `data_dir`; worker and gateway must see the same.
    blob_dir: Path | None = None

    #: Variables that agent definitions may name, and programs that they may start as MCP servers: names or patterns with
    #: `*`, separated by commas. None: what each definition lists in `secrets`, and any program.
    allowed_secrets: _Patterns = None
    allowed_commands: _Patterns = None

    log_format: Literal["json", "console"] = "json"
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"

    #: Where Prometheus reads this process directly, as `IP:port`; for workers, which have no gateway. None: nowhere.
    metrics_address: Annotated[_Address | None, _NotEmpty] = None
    #: Sends OpenTelemetry spans to where the standard `OTEL_…` variables say.
    otel: _Switch = False
    #: What was said, and tools' arguments and results, go into the spans too.
    otel_content: _Switch = False

    #: How long a workflow task, or a query, waits for the worker that has the session in memory. A busy worker loses its
    #: sessions where this is short, and replays them, which makes it busier. Sessions of a dead worker do not wait it out:
    #: see `perdure.temporal.server.sticky`.
    sticky_schedule_to_start_s: float = Field(default=3, gt=0)
    #: Long polls of a worker for workflow tasks. More of them take more tasks at once, at the price of tokens' delay.
    workflow_pollers: int = Field(default=5, ge=2)
    #: A worker killed inside a workflow task stalls the session for this long.
    workflow_task_timeout_s: float = Field(default=5, ge=1, le=120)
    #: A tool's own heartbeats reach the server no more often; at 0.25 s they are most of its load.
    heartbeat_throttle_s: float = Field(default=2, gt=0)
    graceful_shutdown_s: float = Field(default=30, ge=0)
    #: A streaming model call holds one slot from its first to its last token.
    activity_slots: int = Field(default=1000, ge=1)
    #: Processes for tools with `process: true`; further calls of theirs wait.
    tool_processes: int = Field(default=4, ge=1, le=1000)
    cached_workflows: int = Field(default=4000, ge=0)

    #: Of this worker, for Temporal's worker versioning: both, or none and everything is unversioned.
    deployment_name: Annotated[_Name | None, _NotEmpty] = None
    build_id: Annotated[_Build | None, _NotEmpty] = None
    #: `pinned`: a session stays on its build until it rests. `auto_upgrade`: the next task of any session may run on
    #: another build, whose code must then replay what this one did.
    versioning: Literal["pinned", "auto_upgrade"] = "pinned"

    #: History events after which a session continues as new at its next rest point.
    continue_as_new_after: int = Field(default=1500, ge=50, le=40_000)
    #: How long the embedded server keeps closed runs.
    retention_days: int = Field(default=30, ge=1)

    #: Longer than a workflow task's time-out, which a killed worker can leave behind.
    query_timeout_s: float = Field(default=8, gt=0)
    #: Calls of a gateway to Temporal that are under way at a time; so many more wait for their turn, each so long.
    calls_at_once: int = Field(default=64, ge=1)
    calls_waiting: int = Field(default=5000, ge=0)
    calls_wait_s: float = Field(default=20, gt=0)
    #: Names under which people and programs reach the gateway and the Web UI, besides localhost, IP addresses and the
    #: gateway's --host; `*.example.com` stands for all names below it. Requests that name another host are refused.
    allowed_hosts: _HostNames = ()
    #: Of bodies with messages, answers or files; all others may have 1 MiB.
    body_limit_bytes: int = Field(default=10 * 1024 * 1024, ge=1024)
    #: A request's head has to come within this time; its body, too, and one second more for each 8 KiB of it.
    head_timeout_s: float = Field(default=20, gt=0)
    body_timeout_s: float = Field(default=30, gt=0)
    #: Of one gateway process; whoever comes beyond is told so (429).
    max_connections: int = Field(default=8000, ge=1)
    #: Event streams that one principal may have open at one gateway process.
    streams_per_principal: int = Field(default=4000, ge=1)
    #: Frames that wait for one viewer before it is cut; it resumes by itself.
    viewer_queue: int = Field(default=1000, ge=1)
    #: Idle events streams get a comment this often.
    keepalive_s: float = Field(default=15, gt=0)

    @classmethod
    def load(cls, **overrides: Any) -> Self:
        """Settings from the environment, with `overrides` (those that are not None) above it.

        Raises `SettingsInvalid`.
        """
        try:
            return cls(**{name: value for name, value in overrides.items() if value is not None})
        except ValidationError as error:
            # Without the input: somebody may have put a secret into the wrong variable.
            problems = [f"{_named(problem['loc'])}: {problem['msg']}" for problem in error.errors()]
            raise SettingsInvalid("; ".join(problems)) from None

    @model_validator(mode="after")
    def _both_or_none(self) -> Self:
        if (self.deployment_name is None) != (self.build_id is None):
            raise ValueError("set both or neither")
        return self

    @property
    def blobs_root(self) -> Path:
        return self.blob_dir or self.data_dir / "blobs"

    @property
    def workflow_task_timeout(self) -> timedelta:
        """For `start_workflow(task_timeout=…)`."""
        return timedelta(seconds=self.workflow_task_timeout_s)


def _named(location: tuple[int | str, ...]) -> str:
    """The variable, or the two that only go together: no other rule is about more than one."""
    return " and ".join(f"{_PREFIX}{name}".upper() for name in location[:1] or ("deployment_name", "build_id"))
