"""Who uses the session service. Every workflow id is made from a `Caller`, so no caller reaches another tenant's sessions."""

from dataclasses import dataclass
from typing import Final

from perdure.temporal.stores.blobs import RESERVED_TENANTS
from perdure.workflows.vocabulary.questions import By

#: The name of a caller whom nobody has authenticated.
LOCAL: Final = "local"


@dataclass(frozen=True, slots=True)
class Caller:
    tenant: str
    #: None: the caller speaks for all users of the tenant.
    user: str | None = None
    scopes: tuple[str, ...] = ()
    #: The span from which it calls, for the trace of the turn that it causes.
    traceparent: str | None = None

    @property
    def by(self) -> By:
        """The caller as the author of an answer. Without authentication that is whoever is on this machine."""
        return By(subject=self.user or LOCAL, scopes=self.scopes)

    def __post_init__(self) -> None:
        # Blobs of such a tenant would lie among those of definitions, or of no session.
        if self.tenant in RESERVED_TENANTS:
            raise ValueError(f"{self.tenant!r} is reserved, and no tenant's name")

    def workflow_id(self, session_id: str) -> str:
        return f"{self.tenant}/{session_id}"
