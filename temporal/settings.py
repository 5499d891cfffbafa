"""The settings of a process; with `temporal.environment`, the only place where the environment is read.

Our own settings are `PERDURE_…`. The standard `TEMPORAL_…` variables say how to reach Temporal (see
`perdure.temporal.server.client`). Keys and base URLs of model providers are read by their SDKs from the SDKs' own
variables; our code neither copies nor stores them.
"""

from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, ValidationError, model_validator
from pydantic_core import PydanticCustomError
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from perdure.temporal.blob_address import BlobAddress, blob_address
from perdure.temporal.environment import DEFAULT_DATA_DIR, environment
from perdure.temporal.redis_address import RedisAddress, redis_address
from perdure.temporal.setting_types import (
    Address,
    Blobs,
    Build,
    Count,
    HostNames,
    Live,
    Name,
    NotEmpty,
    OnSwitch,
    Origins,
    Patterns,
    Rate,
    Switch,
)
from perdure.temporal.task_queues import QueueName, Queues, Serves
from perdure.temporal.user_error import UserError

__all__ = ["Settings", "SettingsInvalid", "environment"]

_PREFIX = "PERDURE_"
#: Settings of which neither is anything without the other.
_PAIRS = (("deployment_name", "build_id"), ("memory_target", "cpu_target"), ("jwt_issuer", "jwt_audience"))


class SettingsInvalid(UserError):
    """A setting has an invalid value; the message names the variable."""


class Settings(BaseSettings):
    """Units are in the names: seconds (`_s`), bytes, days; all others are counts. Create one with `Settings.load()`."""

    model_config = SettingsConfigDict(env_prefix=_PREFIX, frozen=True, extra="forbid")

    #: Everything that `perdure dev` stores: Temporal's database, logs, blobs.
    data_dir: Path = DEFAULT_DATA_DIR
    #: The blob store: a folder, or a bucket as `s3://BUCKET/PREFIX`, `gs://BUCKET/PREFIX` or `az://CONTAINER/PREFIX`, with
    #: `?endpoint=URL&region=NAME&allow_http=true` for stores that speak S3. Keys come from the clouds' own variables
    #: (`AWS_…`, `GOOGLE_…`, `AZURE_…`). Workers, gateways and commands must share it. None: what `blob_dir` says.
    blobs: Annotated[Blobs | None, NotEmpty] = None
    #: The blob store, where it is a folder and `blobs` is not set. None: `blobs` in `data_dir`.
    blob_dir: Path | None = None

    #: The Redis that carries live frames between processes, as `redis://HOST:PORT/DB`, or `rediss://USER:PASSWORD@HOST:PORT/DB`
    #: over TLS, where `?ssl_ca_certs=FILE` names authorities of your own. Workers and gateways must share it. None: a
    #: gateway apart from its workers shows each answer only when it is finished. `perdure dev` is one process and needs none.
    live: Annotated[Live | None, NotEmpty] = None

    #: Whether the agents that ship with Perdure (`assistant`, `concierge`, `support`, `triage`) serve beside your own, for
    #: every tenant. Workers and gateways need the same value.
    shipped_agents: OnSwitch = True
    #: Environment variables that agent definitions may name: names, or patterns with `*`. None: those that each
    #: definition lists in its `secrets`.
    allowed_secrets: Patterns = None
    #: Programs that agent definitions may start as MCP servers: names, or patterns with `*`. None: any.
    allowed_commands: Patterns = None

    #: `console` is for people.
    log_format: Literal["json", "console"] = "json"
    #: The least level that is logged.
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"

    #: Where this process serves its metrics to Prometheus, as `IP:port`; for workers, which have no gateway. None: nowhere.
    metrics_address: Annotated[Address | None, NotEmpty] = None
    #: Where a worker serves `/healthz` and `/readyz` to whoever restarts processes, as `IP:port`. None: nowhere. A gateway
    #: has both among its routes.
    health_address: Annotated[Address | None, NotEmpty] = None
    #: Whether OpenTelemetry spans are sent to where the standard `OTEL_…` variables say.
    otel: Switch = False
    #: Whether spans hold what was said, and the arguments and results of tools.
    otel_content: Switch = False

    # Sessions of a dead worker do not wait it out: see `perdure.temporal.server.sticky`.
    #: How long a workflow task, or a query, waits for the worker that has the session in memory. A busy worker loses its
    #: sessions where this is short, and replays them, which makes it busier.
    sticky_schedule_to_start_s: float = Field(default=3, gt=0)
    #: A worker's long polls for workflow tasks. More pollers run more tasks at once, at the cost of token latency.
    workflow_pollers: int = Field(default=5, ge=2)
    #: A worker's long polls for activities, on each of its task queues.
    activity_pollers: int = Field(default=5, ge=1)
    #: With it, a worker scales its pollers by load, up to so many of each kind; it begins with those above. None: their
    #: number is fixed.
    pollers_at_most: Annotated[int | None, Field(ge=2), NotEmpty] = None
    #: A worker killed inside a workflow task stalls the session for this long.
    workflow_task_timeout_s: float = Field(default=5, ge=1, le=120)
    #: The shortest interval at which a tool's own heartbeats reach the server; at 0.25 s they are most of its load.
    heartbeat_throttle_s: float = Field(default=2, gt=0)
    #: The grace period in which a stopping worker finishes its activities, before it hands them on.
    graceful_shutdown_s: float = Field(default=30, ge=0)
    #: How long a gateway that is told to stop still serves, while `/healthz/traffic` answers 503: longer than a load balancer
    #: takes to notice.
    drain_s: float = Field(default=0, ge=0, le=3600)
    #: Activities that a worker runs at the same time, on each of its task queues. A streaming model call counts from its
    #: first to its last token.
    activity_slots: int = Field(default=1000, ge=1)
    #: The same for model calls, where they have a task queue of their own. None: as many as activities.
    model_slots: Annotated[int | None, Field(ge=1), NotEmpty] = None
    #: The same for calls of tools, where they have a task queue of their own. None: as many as activities.
    tool_slots: Annotated[int | None, Field(ge=1), NotEmpty] = None
    #: Workflow tasks that a worker runs at the same time.
    workflow_slots: int = Field(default=100, ge=2)
    #: Activities that a worker starts in a second, on each of its task queues. None: as many as there are.
    activities_per_s: Annotated[float | None, Field(gt=0), NotEmpty] = None
    #: A share of the machine's memory, or of the container's, from 0 to 1. While more is in use, a worker takes nothing
    #: new; the slots above are then the most that it runs. Set it together with the CPU's target, or neither.
    memory_target: Annotated[float | None, Field(gt=0, le=1), NotEmpty] = None
    #: The same for a share of the CPU; see the memory's target.
    cpu_target: Annotated[float | None, Field(gt=0, le=1), NotEmpty] = None
    #: Processes for tools with `process: true`; calls beyond this number wait.
    tool_processes: int = Field(default=4, ge=1, le=1000)
    #: Sessions that a worker keeps in memory; others are replayed when something happens to them.
    cached_workflows: int = Field(default=4000, ge=0)

    #: The task queue that model calls are sent to, so that workers of their own can take them. Workers and gateways must
    #: have the same. None: that of sessions, `perdure`.
    models_queue: Annotated[QueueName | None, NotEmpty] = None
    #: The same for calls of Perdure's own tools and of MCP servers.
    tools_queue: Annotated[QueueName | None, NotEmpty] = None
    #: What a worker takes, with commas between: `sessions`, `models`, `tools`. None: all of it.
    queues: Annotated[Queues | None, NoDecode, NotEmpty] = None

    #: The worker's deployment, for Temporal's worker versioning; set it together with the build id, or neither.
    deployment_name: Annotated[Name | None, NotEmpty] = None
    #: The worker's build; see the deployment name.
    build_id: Annotated[Build | None, NotEmpty] = None
    #: `pinned`: a session stays on its build until it rests. `auto_upgrade`: the next task of any session may run on
    #: another build, whose code must then replay what this build recorded.
    versioning: Literal["pinned", "auto_upgrade"] = "pinned"

    #: History events after which a session continues as new at its next rest point.
    continue_as_new_after: int = Field(default=1500, ge=50, le=40_000)
    #: How long the embedded server keeps closed runs.
    retention_days: int = Field(default=30, ge=1)

    #: How long a gateway waits for a session's answer before it says 503. Longer than a workflow task's time-out, which a
    #: killed worker can leave behind.
    query_timeout_s: float = Field(default=8, gt=0)
    #: Calls of a gateway to Temporal that are under way at a time.
    calls_at_once: int = Field(default=64, ge=1)
    #: Further calls that wait for their turn; any beyond are refused (429).
    calls_waiting: int = Field(default=5000, ge=0)
    #: How long a call waits for its turn.
    calls_wait_s: float = Field(default=20, gt=0)
    #: The file of API keys that `perdure keys create` makes. With it, a gateway asks its callers who they are, and several
    #: gateways share it by a mount. None: no keys.
    keys_file: Annotated[Path | None, NotEmpty] = None
    #: An identity provider whose tokens (JWT) callers may give: its `iss`, as in `https://login.example.com/`. None: none.
    jwt_issuer: Annotated[str | None, NotEmpty] = None
    #: What a token's `aud` has to hold one of, with commas between them.
    jwt_audience: Patterns = None
    #: Where the provider's public keys (JWKS) are. None: its OpenID configuration names the address.
    jwt_keys_url: Annotated[str | None, NotEmpty] = None
    #: The claim that names a caller's tenant. A dot leads into an object. None: everyone is of the next setting's tenant.
    jwt_tenant_claim: Annotated[str | None, NotEmpty] = None
    #: The tenant of callers where no claim names one.
    jwt_tenant: str = "default"
    #: The claim that names a caller's user.
    jwt_user_claim: str = "sub"
    #: The claim with a caller's scopes and roles: a list, or names with blanks between them.
    jwt_scope_claim: str = "scope"
    #: Scopes that each caller with a valid token has besides, with commas between them.
    jwt_scopes: Patterns = None
    #: Host names under which clients reach the gateway and the Web UI, besides localhost, IP addresses and the
    #: gateway's --host. `*.example.com` matches every name below it. Requests for any other host are refused.
    allowed_hosts: HostNames = ()
    #: Origins whose pages may use the API and `client.js`, with commas between them, as in `https://app.example.com`. Pages
    #: of any other site are refused.
    allowed_origins: Origins = ()
    #: The size of bodies with messages or answers; all others may have 1 MiB.
    body_limit_bytes: int = Field(default=10 * 1024 * 1024, ge=1024)
    #: The size of an upload, with whatever multipart adds to it.
    upload_limit_bytes: int = Field(default=10 * 1024 * 1024, ge=1024)
    #: An upload can be used in messages for so many days. The copies that sessions have of it stay with them.
    upload_days: int = Field(default=2, ge=1, le=365)
    #: A request's head has to come within this time.
    head_timeout_s: float = Field(default=20, gt=0)
    #: A request's body has to come within this time, and one second more for each 8 KiB of it. What waits to be read of an
    #: answer has to be read within the same.
    body_timeout_s: float = Field(default=30, gt=0)
    #: Connections to one gateway process; any beyond are refused (429).
    max_connections: int = Field(default=8000, ge=1)
    # Limits of users and tenants: see `perdure.temporal.sessions.limits`.
    #: Requests a second of one caller, in the long run; any beyond are refused (429). Gateways with the same Redis
    #: (`PERDURE_LIVE`) count together, others each for itself. None: no limit.
    requests_per_principal: Annotated[Rate | None, NotEmpty] = None
    #: The same for all callers of a tenant together.
    requests_per_tenant: Annotated[Rate | None, NotEmpty] = None
    #: So many seconds' worth of requests may come at once.
    requests_burst_s: int = Field(default=10, ge=1, le=3600)
    #: Event streams that one caller may have open, counted as requests are. None: 4,000 at each gateway.
    streams_per_principal: Annotated[Count | None, NotEmpty] = None
    #: Event streams that the callers of a tenant may have open together. None: no limit.
    streams_per_tenant: Annotated[Count | None, NotEmpty] = None
    #: Sessions of one user that may be at work at the same time; a message that would have another one begin is refused
    #: (429). Workers and gateways need the same value, and `PERDURE_LIVE` unless they are one process. None: no limit.
    turns_per_user: Annotated[Count | None, NotEmpty] = None
    #: The same for all sessions of a tenant together.
    turns_per_tenant: Annotated[Count | None, NotEmpty] = None
    #: Frames queued for one viewer; a viewer that falls further behind is disconnected and resumes by itself.
    viewer_queue: int = Field(default=1000, ge=1)
    #: An event stream on which nothing happens gets a comment this often.
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
            problems = [
                f"{_named(problem['loc'])}{problem['msg'].removeprefix('Value error, ')}" for problem in error.errors()
            ]
            raise SettingsInvalid("; ".join(problems)) from None

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        for one, other in _PAIRS:
            if (getattr(self, one) is None) != (getattr(self, other) is None):
                raise _problem_of(one, other, "set both or neither")
        if self.models_queue is not None and self.models_queue == self.tools_queue:
            raise _problem_of("models_queue", "tools_queue", "give two different names")
        for kind in self.queues or ():
            if kind != "sessions" and self.queue_of(kind) is None:
                raise _problem_of(
                    "queues", f"{kind}_queue", f"to take {kind} alone, give them a task queue of their own"
                )
        return self

    def queue_of(self, kind: Serves) -> str | None:
        """The task queue of its own that model calls or tools have; None: they are sent to that of sessions."""
        return {"sessions": None, "models": self.models_queue, "tools": self.tools_queue}[kind]

    @property
    def own_queues(self) -> dict[Serves, str]:
        """What has a task queue of its own, apart from sessions, and that queue's name."""
        named: dict[Serves, str | None] = {"models": self.models_queue, "tools": self.tools_queue}
        return {kind: name for kind, name in named.items() if name is not None}

    @property
    def blob_store(self) -> BlobAddress:
        if self.blobs is not None:
            return blob_address(self.blobs)
        return self.blob_dir or self.data_dir / "blobs"

    @property
    def live_address(self) -> RedisAddress | None:
        return None if self.live is None else redis_address(self.live.get_secret_value())

    @property
    def workflow_task_timeout(self) -> timedelta:
        """The value for `start_workflow(task_timeout=…)`."""
        return timedelta(seconds=self.workflow_task_timeout_s)


def _named(location: tuple[int | str, ...]) -> str:
    """The variable's name and a colon; nothing where a rule covers several settings, and names them itself."""
    return "".join(f"{_PREFIX}{name}: ".upper() for name in location[:1])


def _problem_of(one: str, other: str, problem: str) -> PydanticCustomError:
    both = " and ".join(f"{_PREFIX}{name}".upper() for name in (one, other))
    return PydanticCustomError("inconsistent", f"{both}: {problem}")
