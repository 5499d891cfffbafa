"""Options that several kinds of tools have: names, retries, approvals, side effects.

Rule: what a policy cannot mean is refused, with the field's name, so that nothing is decided by silence later.
"""

from datetime import timedelta
from typing import Annotated, Any, Final, Literal, Self

from pydantic import BeforeValidator, Field, JsonValue, model_validator

from perdure.workflows.vocabulary.durations import Duration
from perdure.workflows.vocabulary.parts import Frozen, absent
from perdure.workflows.vocabulary.questions import Remember

#: Of an agent's, a tool's, an input's and a role's name.
NAME: Final = r"^[A-Za-z][A-Za-z0-9_-]{0,63}$"
Name = Annotated[str, Field(pattern=NAME)]
Schema = dict[str, JsonValue]

YEAR: Final = timedelta(days=365)
LEAST: Final = timedelta(milliseconds=1)
#: Options that decide whether somebody has to be asked, and what may come of a call.
BINDS: Final = {"kind", "approval", "side_effects", "on_unknown", "fallback", "task_queue", "handoff", "share"}


class Retry(Frozen):
    """When a failed attempt is followed by another. Failures that say they are final are never retried."""

    attempts: int = Field(
        default=3, ge=1, le=100, description="How often a call is tried in all, the first time included. Default: 3."
    )
    initial: Duration = Field(
        default=timedelta(milliseconds=100),
        ge=LEAST,
        le=YEAR,
        description="The pause before the second attempt, as in `500ms` or `2s`. Default: 100ms.",
    )
    backoff: float = Field(
        default=2,
        ge=1,
        le=100,
        description="How many times as long each further pause is as the one before. Default: 2.",
    )
    maximum: Duration = Field(
        default=timedelta(seconds=30), ge=LEAST, le=YEAR, description="The longest pause. Default: 30s."
    )
    non_retryable: tuple[str, ...] = Field(
        default=(), description="Types of errors that are final: a call that fails with one is not tried again."
    )


class Approval(Frozen):
    """A person has to allow a call: each one, or those for which `when` is true.

    In YAML also `always`, and `never` for none.
    """

    when: str | None = Field(
        default=None,
        description="Which calls need a person: exactly one `{{ }}` that gives true or false, over `args` (the call's "
        "arguments), the inputs, `session`, `user` and `turn`. Without it, each call does.",
    )
    expires: Duration | None = Field(
        default=None,
        ge=timedelta(seconds=1),
        le=YEAR,
        description="How long the question waits, as in `2h` or `7d`. Without it, until it is answered.",
    )
    default: Literal["approve", "deny"] = Field(
        default="deny", description="What holds when nobody answered before `expires`. Default: deny."
    )
    by: Annotated[tuple[Name, ...], Field(min_length=1, max_length=32)] | None = Field(
        default=None,
        exclude_if=absent,
        description="Roles, as in `[finance]`: only who holds one of them may answer. Without it, whoever may approve calls.",
    )
    not_by: Literal["requester"] | None = Field(
        default=None,
        exclude_if=absent,
        description="`requester`: neither the session's user nor whoever asked the session for something may answer.",
    )
    remember: Remember | None = Field(
        default=None,
        description="Whether one answer may allow further calls: `never`, or `same_args` for calls with the same arguments. "
        "Without it, a person may allow the tool for the rest of the session.",
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.default == "approve" and self.expires is None:
            raise ValueError("default: only counts with expires, after which it holds")
        if self.default == "approve" and (self.by is not None or self.not_by is not None):
            raise ValueError("default: with by or not_by, a call cannot be allowed by nobody")
        return self


def read_approval(value: Any) -> Any:
    match value:
        case "never" | None:
            return None
        case "always":
            return {}
        case str():
            raise ValueError("is always, never or {when: ...}")
        case _:
            return value


Approvals = Annotated[Approval | None, BeforeValidator(read_approval)]
SideEffects = Literal["none", "idempotent", "once"]
OnUnknown = Literal["tell", "ask", "stop"]

APPROVAL = (
    "Whether a person has to allow calls: `always`, `never`, or for which of them and for how long. Default: never."
)
SIDE_EFFECTS = (
    "What a repeated call does. `none` and `idempotent`: it does no harm, so a call may be tried again. `once`: a call is "
    "never repeated, and has the result `outcome_unknown` where nobody knows whether it took effect. Default: idempotent."
)
ON_UNKNOWN = (
    "With `side_effects: once`, when the outcome of a call is unknown: `tell` the model, `ask` a person, or `stop` the turn. "
    "Default: tell."
)
UNDO = (
    "Another of the agent's worker tools, which takes a call of this one back when the conversation is rewound to before it. "
    "Its parameters are found by name, first among the fields of the call's result, then among its arguments; one named "
    "`result` or `args` gets all of them. Whoever agrees to the rewind agrees to its calls."
)
PARALLEL = "Calls that run at the same time in one session. Without it, the session's `parallel_calls`."


def check_once(side_effects: SideEffects, retry: Retry, on_unknown: OnUnknown) -> None:
    """Raises ValueError where these options cannot be meant together."""
    if side_effects == "once" and retry.attempts > 1:
        raise ValueError("retry: a tool whose side effects happen once is never tried again; remove it")
    if side_effects != "once" and on_unknown != "tell":
        raise ValueError("on_unknown: only counts with side_effects: once")


def tried_once(value: Any) -> Any:
    """`side_effects: once` means one attempt where nothing else is said."""
    if isinstance(value, dict) and value.get("side_effects") == "once":
        retry = value.get("retry", {})
        if isinstance(retry, dict):
            return {**value, "retry": {"attempts": 1, **retry}}
    return value


def named(value: dict[Any, Any]) -> dict[Any, Any]:
    """`{find_order: {timeout: 30s}}` → `{name: find_order, timeout: 30s}`"""
    if len(value) != 1:
        if value and next(iter(value.values())) is None:
            raise ValueError(
                f"a tool is a name, or one name with its options: indent those of {next(iter(value))} below it"
            )
        raise ValueError("a tool is a name, or one name with its options")
    ((name, options),) = value.items()
    if options is not None and (not isinstance(options, dict) or {"name", "kind"} & options.keys()):
        raise ValueError(f"{name}: the options of a tool are a mapping, as in {{timeout: 30s}}")
    return {"name": name, **(options or {})}


def keyed(value: Any, kind: str, options: str) -> dict[str, Any] | None:
    """`{client: {name: pick}}` with its kind named, for the kind `client`; None: the entry is of another kind.

    `options` says in an error what the mapping may have."""
    if not isinstance(value, dict) or list(value) != [kind]:
        return None
    given = value[kind]
    if not isinstance(given, dict) or "kind" in given:
        raise ValueError(f"{kind}: is a mapping of {options}")
    return {"kind": kind, **given}
