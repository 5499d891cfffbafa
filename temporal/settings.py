"""The settings of a process; with `temporal.environment`, the only place where the environment is read.

Our own settings are `PERDURE_…`. The standard `TEMPORAL_…` variables say how to reach Temporal (see
`perdure.temporal.server.client`). Keys and base URLs of model providers are read by their SDKs from the SDKs' own
variables; our code neither copies nor stores them.
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
    """A setting has an invalid value; the message names the variable."""


#: Temporal joins deployment name and build id into one id, with `.` or `:` between them.
_Name = Annotated[str, Field(pattern=r"^[^.:\s]{1,200}$")]
_Build = Annotated[str, Field(pattern=r"^[^:\s]{1,200}$")]
#: An empty variable, such as `KEY=` in a compose file, counts as not set.
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
    """Accepts comma-separated text, as in an environment variable, or a list."""
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
    """Accepts `A, B_*`, as in an environment variable; an empty value means not set."""
    if not isinstance(given, str):
        return given
    return tuple(word for part in given.split(",") if (word := part.strip())) or None


_Patterns = Annotated[tuple[str, ...] | None, NoDecode, BeforeValidator(_patterns)]


class Settings(BaseSettings):
    """Units are in the names: seconds (`_s`), bytes, days; all others are counts. Create one with `Settings.load()`."""

    model_config = SettingsConfigDict(env_prefix=_PREFIX, frozen=True, extra="forbid")

    #: Everything that `perdure dev` stores: Temporal's database, logs, blobs.
    data_dir: Path = DEFAULT_DATA_DIR
    #: The blob store. None: `blobs` in `data_dir`. Worker and gateway must share it.
    blob_dir: Path | None = None

    #: Variables that agent definitions may reference, and programs they may start as MCP servers: comma-separated names
    #: or patterns with `*`. None: the variables that each definition lists in `secrets`, and any program.
    allowed_secrets: _Patterns = None
    allowed_commands: _Patterns = None

    log_format: Literal["json", "console"] = "json"
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"

    #: `IP:port` on which Prometheus scrapes this process directly; for workers, which have no gateway. None: not
    #: served.
    metrics_address: Annotated[_Address | None, _NotEmpty] = None
    #: Sends OpenTelemetry spans to the exporter that the standard `OTEL_…` variables configure.
    otel: _Switch = False
    #: Spans also contain messages and tools' arguments and results.
    otel_content: _Switch = False

    #: How long a workflow task or a query waits for the worker that has the session in memory. If this is too short, a
    #: busy worker loses its sessions and replays them, which makes it busier. Sessions of a dead worker are released
    #: earlier: see `perdure.temporal.server.sticky`.
    sticky_schedule_to_start_s: float = Field(default=3, gt=0)
    #: A worker's long polls for workflow tasks. More pollers run more tasks at once, at the cost of token latency.
    workflow_pollers: int = Field(default=5, ge=2)
    #: A worker killed inside a workflow task stalls the session for this long.
    workflow_task_timeout_s: float = Field(default=5, ge=1, le=120)
    #: The shortest interval at which a tool's own heartbeats reach the server; at 0.25 s they are most of its load.
    heartbeat_throttle_s: float = Field(default=2, gt=0)
    graceful_shutdown_s: float = Field(default=30, ge=0)
    #: A streaming model call holds one slot from its first to its last token.
    activity_slots: int = Field(default=1000, ge=1)
    #: Processes for tools with `process: true`; calls beyond this number wait.
    tool_processes: int = Field(default=4, ge=1, le=1000)
    cached_workflows: int = Field(default=4000, ge=0)

    #: This worker's deployment and build for Temporal's worker versioning. Set both, or neither to run unversioned.
    deployment_name: Annotated[_Name | None, _NotEmpty] = None
    build_id: Annotated[_Build | None, _NotEmpty] = None
    #: `pinned`: a session stays on its build until it rests. `auto_upgrade`: the next task of any session may run on
    #: another build, whose code must then replay what this build recorded.
    versioning: Literal["pinned", "auto_upgrade"] = "pinned"

    #: History events after which a session continues as new at its next rest point.
    continue_as_new_after: int = Field(default=1500, ge=50, le=40_000)
    #: How long the embedded server keeps closed runs.
    retention_days: int = Field(default=30, ge=1)

    #: Longer than a workflow task's time-out, because a killed worker can leave one open.
    query_timeout_s: float = Field(default=8, gt=0)
    #: A gateway's concurrent calls to Temporal; how many further calls may wait for a slot, and for how long.
    calls_at_once: int = Field(default=64, ge=1)
    calls_waiting: int = Field(default=5000, ge=0)
    calls_wait_s: float = Field(default=20, gt=0)
    #: Host names under which clients reach the gateway and the Web UI, besides localhost, IP addresses and the
    #: gateway's --host. `*.example.com` matches every name below it. Requests for any other host are refused.
    allowed_hosts: _HostNames = ()
    #: Limit for bodies with messages, answers or files; every other body may have 1 MiB.
    body_limit_bytes: int = Field(default=10 * 1024 * 1024, ge=1024)
    #: Deadlines for a request's head and for its body; the body gets one second more for each 8 KiB.
    head_timeout_s: float = Field(default=20, gt=0)
    body_timeout_s: float = Field(default=30, gt=0)
    #: Connections of one gateway process; further ones get status 429.
    max_connections: int = Field(default=8000, ge=1)
    #: Event streams that one principal may have open at one gateway process.
    streams_per_principal: int = Field(default=4000, ge=1)
    #: Frames queued for one viewer; a viewer that falls further behind is disconnected and resumes by itself.
    viewer_queue: int = Field(default=1000, ge=1)
    #: Idle event streams get a comment at this interval.
    keepalive_s: float = Field(default=15, gt=0)

    @classmethod
    def load(cls, **overrides: Any) -> Self:
        """Settings from the environment; `overrides` that are not None take precedence.

        Raises `SettingsInvalid`.
        """
        try:
            return cls(**{name: value for name, value in overrides.items() if value is not None})
        except ValidationError as error:
            # Without the input: it may be a secret in the wrong variable.
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
        """The value for `start_workflow(task_timeout=…)`."""
        return timedelta(seconds=self.workflow_task_timeout_s)


def _named(location: tuple[int | str, ...]) -> str:
    """The variable's name, or both names of the pair: no other rule covers more than one setting."""
    return " and ".join(f"{_PREFIX}{name}".upper() for name in location[:1] or ("deployment_name", "build_id"))
