"""Who asks. Every route takes a `Principal`, and every workflow id is made from one, so no caller reaches another tenant's
sessions."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from starlette.requests import Request

from perdure.temporal.stores.blobs import RESERVED_TENANTS
from perdure.workflows.vocabulary.questions import By

#: Who answers where nobody is known by name.
LOCAL: Final = "local"


@dataclass(frozen=True, slots=True)
class Principal:
    tenant: str
    #: None: the caller speaks for all users of the tenant.
    user: str | None = None
    scopes: tuple[str, ...] = ()

    @property
    def by(self) -> By:
        """Who answers, as an event has it. Without authentication it is whoever is on this machine."""
        return By(subject=self.user or LOCAL, scopes=self.scopes)

    def __post_init__(self) -> None:
        # Their blobs would lie among those of definitions, or of no session.
        if self.tenant in RESERVED_TENANTS:
            raise ValueError(f"{self.tenant!r} is reserved, and no tenant's name")

    def workflow_id(self, session_id: str) -> str:
        return f"{self.tenant}/{session_id}"


Authenticate = Callable[[Request], Principal]

_LOCAL = Principal("default")


def anonymous(_request: Request) -> Principal:
    """For a gateway that only this machine reaches: everyone is the tenant `default`."""
    return _LOCAL
