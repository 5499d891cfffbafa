"""Who asks. Every route takes a `Principal`, and every workflow id is made from one, so no caller reaches another tenant's
sessions."""

from collections.abc import Callable
from dataclasses import dataclass

from starlette.requests import Request


@dataclass(frozen=True, slots=True)
class Principal:
    tenant: str
    #: None: the caller speaks for all users of the tenant.
    user: str | None = None

    def workflow_id(self, session_id: str) -> str:
        return f"{self.tenant}/{session_id}"


Authenticate = Callable[[Request], Principal]

_LOCAL = Principal("default")


def anonymous(_request: Request) -> Principal:
    """For a gateway that only this machine reaches: everyone is the tenant `default`."""
    return _LOCAL
