"""Who uses the session service. Every workflow id is made from a `Principal`, so nobody reaches another tenant's sessions.

Rule: what a principal may do is asked of `holds`, `holds_any`, `holds_scope` and `need`, and of nothing else. Who has been
authenticated may do what its scopes say. Who is trusted may do everything: this machine's own user, and code that acts for a
session.
"""

from dataclasses import dataclass, field, replace
from typing import Final, Literal, Self

from perdure.temporal.sessions.errors import Forbidden
from perdure.temporal.sessions.scopes import Act
from perdure.temporal.stores.blobs import RESERVED_TENANTS
from perdure.workflows.vocabulary.questions import LOCAL, By, subject_of

#: How a principal was recognised: not at all, by an API key, by a token of an identity provider, by a session's own token.
Method = Literal["trusted", "key", "jwt", "token"]

#: What a browser's token is for besides its session.
_SESSION: Final = "session:"


@dataclass(frozen=True, slots=True)
class Principal:
    tenant: str
    #: Whose sessions are its own; None: those of no user.
    user: str | None = None
    #: Names of `scopes.py`, and roles.
    scopes: tuple[str, ...] = ()
    #: Reaches this session and its sub-agents' alone.
    session: str | None = None
    #: What acts for the user, as `key:3f2a`; None: the user itself.
    actor: str | None = None
    method: Method = "key"
    #: When this principal is none any more, in seconds since 1970.
    expires_at: float | None = field(default=None, compare=False)
    #: The span from which it calls, for the trace of the turn that it causes.
    traceparent: str | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        # Blobs of such a tenant would lie among those of definitions, or of no session.
        if self.tenant in RESERVED_TENANTS:
            raise ValueError(f"{self.tenant!r} is reserved, and no tenant's name")

    @classmethod
    def trusted(cls, tenant: str, user: str | None = None, roles: tuple[str, ...] = ()) -> Self:
        """May do everything in its tenant. `user` and `roles` are who is said to have answered."""
        return cls(tenant, user, roles, method="trusted")

    @property
    def is_trusted(self) -> bool:
        return self.method == "trusted"

    @property
    def subject(self) -> str:
        """Its name. Without authentication that is whoever is on this machine."""
        if self.user is not None:
            return self.user if self.is_trusted else subject_of(self.user)
        if self.session is not None:
            return f"{_SESSION}{self.session}"
        return self.actor or LOCAL

    @property
    def by(self) -> By:
        """The principal as the author of an answer."""
        return By(subject=self.subject, scopes=self.scopes)

    @property
    def sender(self) -> str | None:
        """Who asks a session for something; None: whoever is on this machine."""
        return None if self.is_trusted and self.user is None else self.subject

    def workflow_id(self, session_id: str) -> str:
        return f"{self.tenant}/{session_id}"

    def from_span(self, traceparent: str | None) -> Self:
        return self if traceparent is None else replace(self, traceparent=traceparent)

    def holds(self, act: Act) -> bool:
        """Whether it may do this with sessions of its own."""
        return self.is_trusted or f"session:{act}" in self.scopes or f"session:{act}:any" in self.scopes

    def holds_any(self, act: Act) -> bool:
        """Whether it may do this with each session of its tenant."""
        return self.is_trusted or f"session:{act}:any" in self.scopes

    def holds_scope(self, scope: str) -> bool:
        """Whether it holds `scope`, or `scope` with `:any`."""
        return self.is_trusted or scope in self.scopes or f"{scope}:any" in self.scopes

    def need(self, scope: str) -> None:
        """Raises `Forbidden` unless it holds `scope`, or `scope` with `:any`."""
        if not self.holds_scope(scope):
            raise Forbidden(f"This needs the scope {scope}.")

    def need_act(self, *acts: Act) -> None:
        """Raises `Forbidden` unless it may do one of these."""
        if not any(map(self.holds, acts)):
            raise Forbidden(f"This needs the scope {' or '.join(f'session:{act}' for act in acts)}.")

    def need_any(self, act: Act, what: str) -> None:
        """Raises `Forbidden`, whose detail begins with `what`, unless it may do this for all users."""
        if not self.holds_any(act):
            raise Forbidden(f"{what} needs the scope session:{act}:any.")
