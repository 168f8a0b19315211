"""A small OpenID Connect provider for tests: discovery, keys, the device flow; it signs what a test asks it to sign."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

import jwt
import uvicorn
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

if TYPE_CHECKING:
    from collections.abc import Iterator

    from starlette.types import ASGIApp

CLIENT = "rung-tests"


@dataclass(slots=True)
class Key:
    """A signing key, and its public half as the provider shows it."""

    id: str
    algorithm: str = "RS256"
    private: Any = field(init=False)

    def __post_init__(self) -> None:
        is_rsa = self.algorithm.startswith(("RS", "PS"))
        self.private = rsa.generate_private_key(65537, 2048) if is_rsa else ec.generate_private_key(ec.SECP256R1())

    @property
    def shown(self) -> dict[str, Any]:
        """The public key as a JWK."""
        public = self.private.public_key()
        kind = RSAAlgorithm if self.algorithm.startswith(("RS", "PS")) else ECAlgorithm
        return {**kind.to_jwk(public, as_dict=True), "kid": self.id, "use": "sig", "alg": self.algorithm}

    @property
    def public_pem(self) -> bytes:
        """The public key as text: what an attacker signs with, as if it were a shared secret."""
        return self.private.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )


@dataclass(slots=True)
class LoginProvider:
    """One issuer; a test changes its fields."""

    issuer: str
    keys: list[Key] = field(default_factory=lambda: [Key("one")])
    asked: int = 0
    """How often its keys were read."""
    answers: list[dict[str, Any]] = field(default_factory=list)
    """What the token endpoint answers next, the last one again and again; empty: a login of ada."""
    is_down: bool = False
    renewals: list[str] = field(default_factory=list)
    """Refresh tokens that were used."""

    def claims(self, **changes: Any) -> dict[str, Any]:
        """Claims of a right ID token; a change to None leaves one out."""
        now = int(time.time())
        all_of_them = {
            "iss": self.issuer,
            "aud": CLIENT,
            "sub": "ada-17",
            "email": "ada@example.org",
            "email_verified": True,
            "iat": now,
            "exp": now + 600,
            "groups": ["ml"],
            **changes,
        }
        return {name: value for name, value in all_of_them.items() if value is not None}

    def token(self, key: Key | None = None, **changes: Any) -> str:
        """A signed ID token."""
        signer = key or self.keys[0]
        return jwt.encode(
            self.claims(**changes), signer.private, algorithm=signer.algorithm, headers={"kid": signer.id}
        )

    def app(self) -> FastAPI:
        """Its web pages."""
        app = FastAPI()

        @app.get("/.well-known/openid-configuration")
        def configuration() -> Any:
            if self.is_down:
                return JSONResponse({}, 503)
            ends = ("token", "device_authorization")
            return {
                "issuer": self.issuer,
                "jwks_uri": f"{self.issuer}/keys",
                **{f"{end}_endpoint": f"{self.issuer}/{end}" for end in ends},
            }

        @app.get("/keys")
        def keys() -> Any:
            self.asked += 1
            if self.is_down:
                return JSONResponse({}, 503)
            return {"keys": [key.shown for key in self.keys]}

        @app.post("/device_authorization")
        async def device(request: Request) -> Any:
            if (await _form(request)).get("client_id") != CLIENT:
                return JSONResponse({"error": "invalid_client"}, 400)
            return {
                "device_code": "a-secret",
                "user_code": "WDJB-MJHT",
                "verification_uri": f"{self.issuer}/device",
                "expires_in": 60,
                "interval": 0.05,
            }

        @app.post("/token")
        async def token(request: Request) -> Any:
            form = await _form(request)
            if form["grant_type"] == "refresh_token":
                self.renewals.append(form["refresh_token"])
            right = {"id_token": self.token(), "expires_in": 600, "refresh_token": "again"}
            answer = right if not self.answers else self.answers[0]
            if len(self.answers) > 1:
                self.answers.pop(0)
            return JSONResponse(answer, 400 if "error" in answer else 200)

        return app


async def _form(request: Request) -> dict[str, str]:
    return dict(parse_qsl((await request.body()).decode()))


@contextmanager
def login_provider() -> Iterator[LoginProvider]:
    """Run one for as long as the block lasts."""
    listener = socket.create_server(("127.0.0.1", 0))
    provider = LoginProvider(issuer=f"http://127.0.0.1:{listener.getsockname()[1]}")
    with serving(provider.app(), listener):
        yield provider


@contextmanager
def serving(app: ASGIApp, listener: socket.socket, **settings: Any) -> Iterator[uvicorn.Server]:
    """Run an application on a socket, in a thread, for as long as the block lasts."""
    config = uvicorn.Config(app, log_level="error", access_log=False, lifespan="off", **settings)
    server = uvicorn.Server(config)
    server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]  not ours in a thread
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        while not server.started:
            time.sleep(0.01)
        yield server
    finally:
        server.should_exit = True
        thread.join()
