"""The public keys of an identity provider (JWKS, RFC 7517), fetched when they are needed.

Rule 1: an unknown key id is looked for at the provider, but no more often than each 30 s, whoever asks for it.
Rule 2: keys that were fetched stay while the provider cannot be reached; only what it tells of itself replaces them.
Rule 3: only keys of asymmetric algorithms count, each under the algorithm that its token names, if it is of that kind.
"""

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

import httpx2
import structlog
from jwt import PyJWK
from jwt.exceptions import PyJWTError

from perdure.gateway.http.problems import Problem

log = structlog.get_logger(__name__)

#: By the type of their key (RFC 7518 and RFC 8037).
ALGORITHMS: Final[Mapping[str, frozenset[str]]] = {
    "RSA": frozenset({"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"}),
    "EC": frozenset({"ES256", "ES384", "ES512"}),
    "OKP": frozenset({"EdDSA"}),
}
_AGAIN_S: Final = 30.0
#: Keys that the provider has withdrawn count no longer than this.
_STALE_S: Final = 600.0
_TIMEOUT_S: Final = 5.0
#: Seconds that the request which has stale keys fetched anew waits for them; others go on with those that there are.
_RENEWED_S: Final = 0.5
_MOST_BYTES: Final = 1024 * 1024


class KeySet:
    def __init__(
        self,
        issuer: str,
        address: str | None,
        clock: Callable[[], float] = time.monotonic,
        timeout_s: float = _TIMEOUT_S,
    ) -> None:
        """`address` is that of the JWKS; None: the issuer's configuration (OpenID Connect Discovery 1.0) names it. All
        requests of a fetch together may take `timeout_s` seconds."""
        self._issuer = issuer
        self._address = address
        self._clock = clock
        self._timeout_s = timeout_s
        self._raw: dict[str | None, dict[str, Any]] = {}
        self._made: dict[tuple[str | None, str], PyJWK] = {}
        self._fetched_at: float | None = None
        self._tried_at: float | None = None
        self._fetching = asyncio.Lock()
        self._renewing: asyncio.Task[None] | None = None

    async def generation(self) -> float | None:
        """Another one each time that the keys were fetched. Raises as `key`."""
        await self._keep_fresh()
        return self._fetched_at

    async def key(self, key_id: str | None, algorithm: str) -> PyJWK | None:
        """The key with this id for tokens of this algorithm; without an id, the only key. None where there is none.

        Raises Problem `issuer_unavailable` where no keys are known and none can be fetched."""
        if self._has(key_id) is None:
            await self._refresh(key_id)
        else:
            await self._keep_fresh()
        raw = self._has(key_id)
        if (
            raw is None
            or algorithm not in ALGORITHMS.get(str(raw.get("kty")), ())
            or raw.get("alg", algorithm) != algorithm
        ):
            return None
        if (key_id, algorithm) not in self._made:
            try:
                self._made[key_id, algorithm] = PyJWK(raw, algorithm)
            except PyJWTError:
                return None
        return self._made[key_id, algorithm]

    def _has(self, key_id: str | None) -> dict[str, Any] | None:
        if key_id is None:
            return next(iter(self._raw.values())) if len(self._raw) == 1 else None
        return self._raw.get(key_id)

    def _is_stale(self) -> bool:
        return self._fetched_at is None or self._clock() - self._fetched_at > _STALE_S

    async def _keep_fresh(self) -> None:
        """Only the first keys are waited for: while there are some, an issuer that is slow holds nobody up."""
        if self._fetched_at is None:
            await self._refresh(None)
        elif self._is_stale() and self._renewing is None:
            self._renewing = asyncio.create_task(self._refresh(None))
            self._renewing.add_done_callback(self._renewed)
            await asyncio.wait({self._renewing}, timeout=_RENEWED_S)

    def _renewed(self, _: asyncio.Task[None]) -> None:
        self._renewing = None

    async def _refresh(self, key_id: str | None) -> None:
        async with self._fetching:
            # Another request may have fetched them while this one waited.
            if not self._is_stale() and (key_id is None or self._has(key_id) is not None):
                return
            if self._tried_at is None or self._clock() - self._tried_at >= _AGAIN_S:
                self._tried_at = self._clock()
                try:
                    self._take(await self._fetch())
                except (httpx2.HTTPError, httpx2.InvalidURL, TimeoutError, ValueError) as error:
                    log.error(
                        "auth.issuer_unavailable", issuer=self._issuer, problem=str(error) or type(error).__name__
                    )
        if self._fetched_at is None:
            raise Problem("issuer_unavailable")

    def _take(self, found: dict[str, Any]) -> None:
        keys = found.get("keys")
        if not isinstance(keys, list):
            raise ValueError("the answer is no JWKS")
        self._raw = {
            key.get("kid"): key
            for key in keys
            if isinstance(key, dict)
            and isinstance(key.get("kid"), str | None)
            and str(key.get("kty")) in ALGORITHMS
            and key.get("use", "sig") == "sig"
        }
        self._made.clear()
        self._fetched_at = self._clock()
        log.info("auth.keys_fetched", issuer=self._issuer, keys=len(self._raw))

    async def _fetch(self) -> dict[str, Any]:
        async with asyncio.timeout(self._timeout_s), httpx2.AsyncClient(timeout=self._timeout_s) as http:
            if self._address is None:
                found = await _json(http, f"{self._issuer.rstrip('/')}/.well-known/openid-configuration")
                if found.get("issuer") != self._issuer or not isinstance(found.get("jwks_uri"), str):
                    raise ValueError("its configuration is that of another issuer, or names no keys")
                return await _json(http, checked_address(found["jwks_uri"]))
            return await _json(http, self._address)


def checked_address(address: str) -> str:
    """`address`, if it is of https, or of http on this machine. Raises ValueError: others can change what comes otherwise."""
    url = httpx2.URL(address)
    local = url.host in ("localhost", "127.0.0.1", "::1")
    if url.scheme != "https" and not (url.scheme == "http" and local):
        raise ValueError(f"{address} is no address of https")
    return address


async def _json(http: httpx2.AsyncClient, address: str) -> dict[str, Any]:
    async with http.stream(
        "GET", address, headers={"Accept": "application/json", "Accept-Encoding": "identity"}
    ) as answer:
        answer.raise_for_status()
        if answer.status_code != 200:
            raise ValueError(f"{address} answered {answer.status_code}")
        data = b""
        # Not unpacked: what is small on its way may be large in memory.
        async for chunk in answer.aiter_raw():
            data += chunk
            if len(data) > _MOST_BYTES:
                raise ValueError(f"{address} answered with more than {_MOST_BYTES} bytes")
    try:
        found = httpx2.Response(200, content=data).json()
    except RecursionError:
        raise ValueError(f"{address} answered with JSON that is nested too deep") from None
    if not isinstance(found, dict):
        raise ValueError(f"{address} answered with something else than an object")
    return found
