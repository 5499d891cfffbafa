"""Why a key or a token was refused, in words for the log of those who run the gateway. Callers are told none of it.

Rule: of a token there is only what it says of itself and anybody may know: issuer, audience and key, cut short. Neither the
token nor its signature, nor whose it is.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

import jwt
from jwt import exceptions
from jwt.exceptions import PyJWTError

#: Is called with the reason of a refusal.
Why = Callable[[str], None]

_LONGEST: Final = 200
#: The first that fits; the last fits all.
_WORDS: Final[tuple[tuple[type[PyJWTError], str], ...]] = (
    (exceptions.ExpiredSignatureError, "it has expired (exp)"),
    (exceptions.ImmatureSignatureError, "it does not count yet (nbf, iat); are the clocks right?"),
    (exceptions.InvalidIssuedAtError, "its iat is no point in time"),
    (exceptions.InvalidAudienceError, "its aud is not the one that is asked for"),
    (exceptions.InvalidIssuerError, "its iss is not the one that is asked for"),
    (exceptions.InvalidSignatureError, "its signature does not fit the key"),
    (exceptions.InvalidAlgorithmError, "its algorithm is not the key's"),
    (exceptions.DecodeError, "it is no JWT, or a claim of it has another type than it should"),
    (PyJWTError, "its claims are not right"),
)


def unsaid(_reason: str) -> None:
    """A `Why` that nobody listens to."""


def in_words(error: PyJWTError) -> str:
    if isinstance(error, exceptions.MissingRequiredClaimError):
        return f"it has no {error.claim}"
    return next(words for kind, words in _WORDS if isinstance(error, kind))


def said_by(token: str) -> dict[str, str]:
    """`iss`, `aud` and `kid`, as far as a token has them. They are not believed for that."""
    try:
        parsed = jwt.api_jwt.decode_complete(token, options={"verify_signature": False})
    except PyJWTError:
        return {}
    claims: Mapping[str, Any] = parsed["payload"]
    named = {"iss": claims.get("iss"), "aud": claims.get("aud"), "kid": parsed["header"].get("kid")}
    return {name: _short(value) for name, value in named.items() if value is not None}


def _short(value: Any) -> str:
    text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    # Whoever sends a token writes no lines of the log.
    shown = "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text[:_LONGEST])
    return shown if len(text) <= _LONGEST else f"{shown}…"
