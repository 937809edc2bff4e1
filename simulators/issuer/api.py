"""HTTP of the development issuer: what an OIDC issuer publishes, and tokens for the asking."""

from typing import Annotated, Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException

from contracts.message import Id, Role
from runtime.issuer_keys import ALGORITHMS
from runtime.problems import on_fault, on_http_error, on_invalid_parameters
from runtime.tokens import LIFETIME
from simulators.issuer.keyring import Keyring
from simulators.settings import IssuerSettings

LONGEST = 30 * 24 * 3600
"""Seconds."""


class TokenAsked(BaseModel):
    """Whose token it is to be: an id, and one role or several."""

    model_config = ConfigDict(extra="forbid")

    id: Id
    roles: Annotated[list[Role], Field(min_length=1, max_length=len(Role))]
    expires_in: Annotated[int, Field(strict=True, gt=0, le=LONGEST, description="seconds")] = LIFETIME


class RotationAsked(BaseModel):
    """Whether the keys of before are withdrawn at once, as after a theft, or stay published."""

    model_config = ConfigDict(extra="forbid")

    withdraw: bool = False


def build(keyring: Keyring, settings: IssuerSettings) -> FastAPI:
    """The app. `settings` has refused production already: here anybody is given any token."""
    app = FastAPI(title="Holdfast development issuer", docs_url=None, redoc_url=None)
    app.add_exception_handler(HTTPException, on_http_error)
    app.add_exception_handler(RequestValidationError, on_invalid_parameters)
    app.add_exception_handler(Exception, on_fault)
    base = str(settings.issuer_address or f"http://{settings.host}:{settings.port}").rstrip("/")

    @app.get("/.well-known/openid-configuration")
    async def configuration() -> dict[str, Any]:
        """OpenID Connect Discovery 1.0, as far as verifiers read it."""
        return {
            "issuer": keyring.issuer,
            "jwks_uri": f"{base}/jwks.json",
            "token_endpoint": f"{base}/token",
            "id_token_signing_alg_values_supported": sorted(ALGORITHMS.values()),
            "response_types_supported": ["token"],
            "subject_types_supported": ["public"],
        }

    @app.get("/jwks.json")
    async def jwks() -> dict[str, Any]:
        """The public keys."""
        return keyring.jwks

    @app.post("/token")
    async def token(asked: TokenAsked) -> dict[str, Any]:
        """A token, in the form of RFC 6749."""
        signed = keyring.minter.token(asked.roles, asked.id, seconds=asked.expires_in)
        return {"access_token": signed, "token_type": "Bearer", "expires_in": asked.expires_in}

    @app.post("/rotation")
    async def rotation(asked: RotationAsked) -> dict[str, Any]:
        """A new key signs; no service needs a restart to believe it."""
        return {"kid": keyring.rotate(withdraw=asked.withdraw)}

    @app.get("/livez")
    @app.get("/readyz")
    async def ready() -> dict[str, str]:
        """It answers; there is nothing else it needs."""
        return {"status": "ready"}

    return app
