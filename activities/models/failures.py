"""What a model call can fail with, as data. Wires raise `ModelFailed`; only the activity makes a Temporal failure of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, Literal

from perdure.workflows.definition.providers.info import ProviderInfo

#: What a server is called that merely speaks a provider's API: its address may be a secret.
_NAMELESS: Final = "The model server"


@dataclass(frozen=True, slots=True)
class Source:
    """Who failed: `provider` as in a definition's `use`, `name` as people call it."""

    provider: str
    name: str
    #: The variables that its key came from. (): it was sent no key. None: the key came from elsewhere.
    keys: tuple[str, ...] | None = None

    @classmethod
    def of(cls, provider: ProviderInfo, *, own: bool = True, keys: tuple[str, ...] | None = None) -> "Source":
        """`own`: the call went to the provider's own servers."""
        named = own or provider.endpoint is None or provider.endpoint.elsewhere == "provider"
        return cls(provider.name, provider.display_name if named else _NAMELESS, keys)


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFailure:
    """Why a model call gave no answer, and what may be done about it."""

    #: One of the `MODEL_…` of `perdure.workflows.vocabulary.errors`.
    kind: str
    #: For people. Holds no key, header or address.
    message: str
    #: As in a definition's `use`.
    provider: str
    #: The HTTP status, or the one that an error inside a stream stands for.
    status: int | None = None
    #: The provider's own code.
    code: str | None = None
    #: The same request may succeed later.
    retryable: bool = False
    #: How long the provider asks to wait before that.
    retry_after: timedelta | None = None
    #: Attempts after which the failure is final although it is retryable. None: the caller decides.
    most_attempts: int | None = None
    #: Attempts that may break off in mid-answer before the failure is final. None: the caller decides.
    most_broken: int | None = None
    #: `refused`: nothing is charged unless the answer had begun. `unknown`: the provider may have worked on an answer that
    #: never came, and may charge for the request.
    request: Literal["refused", "unknown"] = "refused"
    #: Expected now and then: logged quietly, and not counted as an error.
    benign: bool = False
    #: Of a request that was too long, in tokens: what its model can read at once, and what it was sent; None: unknown.
    window: int | None = None
    tokens: int | None = None

    def is_final(self, attempt: int) -> bool:
        """Whether no attempt should follow `attempt`, counted from 1."""
        return not self.retryable or (self.most_attempts is not None and attempt >= self.most_attempts)


class ModelFailed(Exception):
    """A model call failed with `failure`, whose message is the exception's."""

    def __init__(self, failure: ModelFailure) -> None:
        super().__init__(failure.message)
        self.failure = failure


# What wires and their SDK adapters raise inside, for `failure_kinds.classify`.


class NotSetUp(Exception):
    """Something that a call needs is missing where the worker runs. The message says what, and what to do."""


class StreamTruncated(Exception):
    """The stream ended without its terminal event."""


class NoAnswer(StreamTruncated):
    """The response began well, and held no answer at all. The message is what it said instead ("": nothing), `details` the
    JSON object that said it, `code` and `status` what this object names."""

    def __init__(
        self, message: str, *, code: str | None = None, status: int | None = None, details: object = None
    ) -> None:
        super().__init__(message)
        self.code = code
        self.status = status
        self.details = details


class AnswerAborted(Exception):
    """The server gave its answer up. The message is the word that it ended with."""


class Unreachable(Exception):
    """The SDK could not send the request or read the answer, for the reason in `cause`."""

    def __init__(self, cause: BaseException | None) -> None:
        super().__init__()
        self.cause = cause


class ProviderError(Exception):
    """A failure that the provider reported. `code` and `kind` are its words for it, `retry_after` is in seconds, `details` is
    the body of the response, as JSON."""

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        kind: str | None = None,
        status: int | None = None,
        retry_after: float = 0,
        headers: Mapping[str, str] | None = None,
        details: object = None,
    ) -> None:
        super().__init__(message)
        self.codes = frozenset(str(word) for word in (code, kind) if word)
        self.status = status
        self.details = details
        self.headers: Mapping[str, str] = {"retry-after": str(retry_after)} if headers is None else headers
