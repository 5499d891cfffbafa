"""A server that the fake provider can be."""

from dataclasses import dataclass, field

from perdure.temporal.app.fakes import failures
from perdure.temporal.app.fakes.manners import Manner
from perdure.temporal.app.fakes.refusals import ErrorBody, Failures, Rule, openai_error
from perdure.temporal.app.fakes.replies import Api


@dataclass(frozen=True, slots=True, kw_only=True)
class FakeDialect:
    #: Empty: what the maker of the API does.
    name: str
    api: Api
    #: Where the real server is; empty: there is none, or everybody has one of their own.
    host: str = ""
    #: What stands between the server's address and the paths of its API.
    base: str = ""
    #: A model that it has.
    model: str = "m"
    manner: Manner
    rules: tuple[Rule, ...]
    error: ErrorBody = openai_error
    failures: Failures = field(default_factory=lambda: failures.OPENAI)
    #: Events come in the frames of Amazon Bedrock.
    bedrock: bool = False
