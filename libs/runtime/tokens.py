"""Tokens of the development issuer, for the command line, the replay, the benchmark and the tests. Its signing key lies
in a folder of the stack that trusts it; production trusts no such key."""

import json
import os
import time
from base64 import urlsafe_b64encode
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from jwt import PyJWK
from jwt.algorithms import OKPAlgorithm

from contracts.message import Role
from runtime.settings import DEVELOPMENT_ISSUER, ROLES

SIGNING_KEY, KEYS = "signing-key.json", "keys.json"
"""Files of a folder of keys: the secret JWK, readable by its owner alone, and the public JWKS."""
LIFETIME = 3600
"""Seconds."""
RENEWED = 300
"""Seconds before its end that a kept token is made anew."""


class Minter:
    """Signs tokens with one key. `bearer` keeps them, so that asking again costs nothing."""

    def __init__(self, jwk: dict[str, Any], *, issuer: str = DEVELOPMENT_ISSUER, audience: str = "holdfast") -> None:
        self.kid = str(jwk["kid"])
        self._key = PyJWK(jwk, "EdDSA")
        self._issuer, self._audience = issuer, audience
        self._kept: dict[tuple[str, str], tuple[float, dict[str, str]]] = {}

    @classmethod
    def create(cls, folder: Path, *, environment: str, issuer: str = DEVELOPMENT_ISSUER) -> "Minter":
        """One with a new key, whose files are written to `folder`. Raises ValueError in production."""
        if environment == "production":
            raise ValueError("tokens signed here are for development and tests; production has an issuer of its own")
        jwk = new_key()
        write_keys(folder, jwk, [public(jwk)])
        return cls(jwk, issuer=issuer)

    @classmethod
    def load(cls, folder: Path, *, issuer: str = DEVELOPMENT_ISSUER) -> "Minter":
        """One with the key that lies in `folder`. Raises OSError where it cannot be read."""
        return cls(json.loads((folder / SIGNING_KEY).read_text()), issuer=issuer)

    def token(self, role: Role | str | Sequence[Role | str], id: str, *, seconds: float = LIFETIME) -> str:
        """A token for `id` in a role, or in several; it expires after `seconds`."""
        now = int(time.time())
        roles = [role] if isinstance(role, str) else role
        claims = {
            "iss": self._issuer,
            "aud": self._audience,
            "sub": id,
            "iat": now,
            "exp": now + int(seconds),
            ROLES: [Role(one).value for one in roles],
        }
        return jwt.encode(claims, self._key.key, algorithm="EdDSA", headers={"kid": self.kid})

    def bearer(self, role: Role | str, id: str) -> dict[str, str]:
        """The header `authorization` for requests of `id` in this role."""
        until, header = self._kept.get((role, id), (0.0, {}))
        if time.time() >= until:
            header = {"authorization": f"Bearer {self.token(role, id)}"}
            self._kept[role, id] = time.time() + LIFETIME - RENEWED, header
        return header


def new_key() -> dict[str, Any]:
    """A secret Ed25519 key as a JWK; its `kid` is the thumbprint of the public one (RFC 7638)."""
    jwk = OKPAlgorithm.to_jwk(Ed25519PrivateKey.generate(), as_dict=True)
    named = {name: jwk[name] for name in ("crv", "kty", "x")}
    thumbprint = sha256(json.dumps(named, sort_keys=True, separators=(",", ":")).encode()).digest()
    kid = urlsafe_b64encode(thumbprint).rstrip(b"=").decode()
    return {**named, "d": jwk["d"], "kid": kid, "alg": "EdDSA", "use": "sig"}


def write_keys(folder: Path, signing: dict[str, Any], published: Sequence[dict[str, Any]]) -> None:
    """The two files of a folder of keys."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = folder / SIGNING_KEY
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        json.dump(signing, file)
    # Services may be reading: they find the keys of before or these, never half of them.
    fresh = folder / f"{KEYS}.new"
    fresh.write_text(json.dumps({"keys": list(published)}))
    fresh.replace(folder / KEYS)


def public(jwk: dict[str, Any]) -> dict[str, Any]:
    """The public part of a key."""
    return {name: value for name, value in jwk.items() if name != "d"}
