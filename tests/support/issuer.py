"""An identity provider on loopback: its configuration, its public keys, and tokens that it signs, or that others forge."""

import base64
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from tests.support.serving import serve

AUDIENCE = "perdure"


class Issuer:
    """`keys` are private ones by id, with their algorithm; those in `told` are published."""

    def __init__(self) -> None:
        self.url = ""
        self.fetches = 0
        self.up = True
        self.keys: dict[str, tuple[Any, str]] = {
            "rsa": (rsa.generate_private_key(65537, 2048), "RS256"),
            "ec": (ec.generate_private_key(ec.SECP256R1()), "ES256"),
            "ed": (ed25519.Ed25519PrivateKey.generate(), "EdDSA"),
        }
        self.told = ["rsa", "ec", "ed"]

    def jwk(self, key_id: str) -> dict[str, Any]:
        key, algorithm = self.keys[key_id]
        to_jwk: Any = {"RS256": RSAAlgorithm, "ES256": ECAlgorithm, "EdDSA": OKPAlgorithm}[algorithm]
        made = to_jwk.to_jwk(key.public_key())
        return {**json.loads(made), "kid": key_id, "use": "sig"}

    def claims(self, **claims: Any) -> dict[str, Any]:
        now = int(time.time())
        usual = {"iss": self.url, "aud": AUDIENCE, "sub": "ann", "iat": now, "exp": now + 600}
        return {name: value for name, value in {**usual, **claims}.items() if value is not None}

    def token(self, key_id: str = "rsa", /, *, algorithm: str | None = None, **claims: Any) -> str:
        """Signed by that key. A claim that is None is left out."""
        key, usual = self.keys[key_id]
        return jwt.encode(self.claims(**claims), key, algorithm or usual, headers={"kid": key_id})

    def unsigned(self, header: dict[str, Any], signature: bytes = b"", **claims: Any) -> str:
        """With this header, as no library makes it."""
        parts = (json.dumps(header).encode(), json.dumps(self.claims(**claims)).encode(), signature)
        return ".".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts)

    async def configuration(self, _request: Request) -> JSONResponse:
        return JSONResponse({"issuer": self.url, "jwks_uri": f"{self.url}/keys"}, 200 if self.up else 503)

    async def jwks(self, _request: Request) -> JSONResponse:
        self.fetches += 1
        return JSONResponse({"keys": [self.jwk(key_id) for key_id in self.told]}, 200 if self.up else 503)


@asynccontextmanager
async def issuer() -> AsyncIterator[Issuer]:
    made = Issuer()
    routes = [Route("/.well-known/openid-configuration", made.configuration), Route("/keys", made.jwks)]
    async with serve(Starlette(routes=routes)) as port:
        made.url = f"http://127.0.0.1:{port}"
        yield made
