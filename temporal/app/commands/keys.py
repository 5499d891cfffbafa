"""`perdure keys`: make, list and revoke API keys, in the file that gateways read."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from pydantic import TypeAdapter, ValidationError
from rich.console import Console

from perdure.gateway.auth.api_keys import new_key
from perdure.gateway.auth.key_file import ApiKey, Keys, changed_keys, read_keys
from perdure.temporal.app.console.direct import checked_id
from perdure.temporal.app.console.entries import entry
from perdure.temporal.app.console.refused import Refused
from perdure.temporal.app.console.terminal import one_line
from perdure.temporal.sessions.requests import Label
from perdure.temporal.sessions.scopes import EVERYTHING, OF_A_USER, is_scope
from perdure.temporal.stores.blobs import RESERVED_TENANTS
from perdure.workflows.vocabulary.durations import parse_duration
from perdure.workflows.vocabulary.questions import LOCAL

_LABEL: Final[TypeAdapter[str]] = TypeAdapter(Label)


def create(file: Path, tenant: str, user: str | None, scopes: list[str] | None, expires: str | None, note: str) -> None:
    """Prints the key on stdout, and what it is on stderr. Raises `Refused` and `KeyFileInvalid`."""
    if checked_id(tenant, "tenant") in RESERVED_TENANTS:
        raise Refused(f"{tenant!r} is reserved, and no tenant's name")
    if user is not None:
        _check_user(user)
    chosen = tuple(dict.fromkeys(scopes)) if scopes else EVERYTHING if user is None else OF_A_USER
    for scope in chosen:
        if not is_scope(scope):
            raise Refused(
                f"{scope!r} is no scope; there are: {', '.join(EVERYTHING)}; those of sessions also without :any"
            )
    now = datetime.now(UTC)
    try:
        expires_at = None if expires is None else now + parse_duration(expires)
    except (ValueError, OverflowError) as problem:
        raise Refused(f"--expires {expires}: {problem}") from None
    made = new_key(tenant, user, chosen, now, expires_at, note)
    with changed_keys(file) as replace:
        before = read_keys(file) if file.exists() else Keys()
        replace(before.model_copy(update={"keys": (*before.keys, made.kept)}))
    about = f"for {user}" if user is not None else "for no single user"
    Console(stderr=True, highlight=False, soft_wrap=True).print(
        f"key {made.kept.id} of the tenant {tenant}, {about}, in {file}. It is shown this once:", markup=False
    )
    print(made.text)  # noqa: T201 - the line that scripts take


def list_keys(file: Path) -> None:
    """Prints a line for each. Raises `KeyFileInvalid`."""
    found, now = read_keys(file).keys, datetime.now(UTC)
    if not found:
        Console().print("no keys: perdure keys create makes one")
        return
    for key in found:
        user = f", user {one_line(key.user)}" if key.user is not None else ""
        scopes = "everything" if key.scopes == EVERYTHING else ", ".join(key.scopes)
        times = f"created {key.created_at:%Y-%m-%d}, {_end(key, now)}"
        entry(key.id, f"tenant {key.tenant}{user}", one_line(key.note), times, f"may: {scopes or 'nothing'}")


def _end(key: ApiKey, now: datetime) -> str:
    if key.expires_at is None:
        return "never expires"
    return f"{'expired' if key.expires_at <= now else 'expires'} {key.expires_at:%Y-%m-%d %H:%M}"


def revoke(file: Path, key_id: str) -> None:
    """Raises `Refused` where there is no such key, and `KeyFileInvalid`."""
    with changed_keys(file) as replace:
        before = read_keys(file)
        left = tuple(key for key in before.keys if key.id != key_id)
        if len(left) == len(before.keys):
            raise Refused(f"there is no key {key_id!r} in {file}; perdure keys list shows those that there are")
        replace(before.model_copy(update={"keys": left}))
    Console(highlight=False).print(f"revoked {key_id}")


def _check_user(user: str) -> None:
    try:
        _LABEL.validate_python(user)
    except ValidationError:
        raise Refused("--user has to be 1 to 200 characters, without control characters") from None
    if user == LOCAL:
        raise Refused(f"no user is named {LOCAL}: that is whoever is on a machine without authentication")
