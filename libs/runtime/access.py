"""Who asks, over HTTP: a bearer token of the issuer, verified.

A token is a JWT: `sub` is the id, `holdfast_roles` the roles its holder may act in. One who has several says in the
header `Holdfast-Role` in which. Real time decides what is expired, whatever clock the service follows.
"""

import time
from collections import OrderedDict
from collections.abc import Mapping
from hashlib import sha256
from typing import Any, NamedTuple

import jwt
import msgspec
from fastapi import Request
from jwt.exceptions import ExpiredSignatureError, ImmatureSignatureError, InvalidTokenError
from jwt.utils import base64url_decode
from pydantic import ValidationError

from contracts.message import Actor, Role
from runtime.decision import Refused
from runtime.issuer_keys import IssuerKeys, source_of
from runtime.limits import Limits
from runtime.settings import ROLES, Settings

LEEWAY = 60.0
"""Seconds by which the issuer's clock and ours may differ."""
MAX_TOKEN = 8192
"""Characters."""
FAR = 2**40
"""Seconds since 1970 behind which no expiry is told from another."""
REMEMBERED = 10_000
"""Verified tokens that need no second verification, the latest used ones."""

STAFF = frozenset({Role.OPERATOR, Role.SUPPORT, Role.SERVICE})
"""Who may look at everything that is not a person's own."""


async def actor_of(request: Request) -> Actor:
    """Who asks. Raises `Refused`: no_token, invalid_token, expired_token (401), forbidden (403), rate_limited (429),
    unavailable (503)."""
    headers = request.headers
    access: Access = request.app.state.access
    actor = await access.actor(headers.get("authorization"), headers.get("holdfast-role"))
    if access.limits:
        access.limits.admit(actor)
    return actor


async def staff_of(request: Request, *more: Role) -> Actor:
    """Who asks, if that is an operator, support, a service or one of `more`. Raises `Refused` as `actor_of` does."""
    actor = await actor_of(request)
    if actor.role not in STAFF and actor.role not in more:
        raise Refused("forbidden", f"the role {actor.role} may not see this")
    return actor


def is_staff(_: object, actor: Actor) -> bool:
    """Whether an object that belongs to nobody in particular is shown."""
    return actor.role in STAFF


def challenge(code: str) -> dict[str, str]:
    """The header of a 401 (RFC 6750, section 3)."""
    told = "" if code == "no_token" else ', error="invalid_token"'
    return {"www-authenticate": f'Bearer realm="holdfast"{told}'}


def security_of_openapi() -> dict[str, Any]:
    """What a description says of access: `securitySchemes` for its components, and the `security` that applies."""
    return {
        "securitySchemes": {
            "bearer": {
                "type": "http",
                "scheme": "bearer",
                "bearerFormat": "JWT",
                "description": f"A token of the issuer; the claim `{ROLES}` lists the roles of its holder.",
            }
        },
        "security": [{"bearer": []}],
    }


class Holder(NamedTuple):
    """Whose a verified token is, in which roles, and until when (seconds since 1970) it counts."""

    actors: Mapping[str, Actor]
    until: float


class Access:
    """Verifies tokens of one issuer, and remembers those it verified."""

    def __init__(self, keys: IssuerKeys, issuer: str, audience: str, limits: Limits | None = None) -> None:
        self.limits = limits
        self._keys = keys
        self._issuer = issuer
        self._audience = audience
        self._holders: OrderedDict[bytes, Holder] = OrderedDict()
        self._generation = 0

    @classmethod
    def by(cls, settings: Settings) -> "Access":
        """As a service's settings say."""
        limits = Limits(settings.rate_limit_per_second, settings.rate_limit_burst)
        return cls(IssuerKeys(source_of(settings)), settings.oidc_issuer, settings.oidc_audience, limits)

    async def actor(self, authorization: str | None, role: str | None = None) -> Actor:
        """Who asks, by the headers `Authorization` and `Holdfast-Role`. Raises as `actor_of` does."""
        token = _bearer(authorization)
        digest = sha256(token).digest()
        holder = self._remembered(digest)
        if holder is None:
            holder = await self._verified(token)
            self._remember(digest, holder)
        return _acting(holder.actors, role)

    def _remembered(self, digest: bytes) -> Holder | None:
        self._keys.keep_fresh()
        self._forget_withdrawn()
        holder = self._holders.get(digest)
        if holder is None:
            return None
        if time.time() >= holder.until:
            del self._holders[digest]
            return None
        self._holders.move_to_end(digest)
        return holder

    def _remember(self, digest: bytes, holder: Holder) -> None:
        self._forget_withdrawn()
        self._holders[digest] = holder
        if len(self._holders) > REMEMBERED:
            self._holders.popitem(last=False)

    def _forget_withdrawn(self) -> None:
        """A key that was withdrawn takes the tokens it signed with it: all are verified anew when the keys changed."""
        if self._generation != self._keys.generation:
            self._holders.clear()
            self._generation = self._keys.generation

    async def _verified(self, token: bytes) -> Holder:
        kid, algorithm = _named_in(token)
        key = await self._keys.find(kid)
        if key is None:
            raise Refused("invalid_token", "the issuer has no such key; get a new token")
        if algorithm != key.algorithm:
            raise Refused("invalid_token", "the token is not signed as its key demands")
        try:
            claims = jwt.decode(
                token,
                key.key,
                algorithms=[key.algorithm],
                issuer=self._issuer,
                audience=self._audience,
                leeway=LEEWAY,
                options={"require": ["exp", "iat", "iss", "aud", "sub", ROLES]},
            )
        except ExpiredSignatureError:
            raise Refused("expired_token", "the token has expired; get a new one") from None
        except ImmatureSignatureError:
            raise Refused("invalid_token", "the token counts from a later time on; check the clocks") from None
        except (InvalidTokenError, ValueError) as error:
            raise Refused("invalid_token", _words(error)) from None
        return Holder(_actors(claims), min(int(claims["exp"]), FAR) + LEEWAY)


def _bearer(authorization: str | None) -> bytes:
    scheme, _, token = (authorization or "").partition(" ")
    token = token.strip()
    if scheme.lower() != "bearer" or not token:
        raise Refused("no_token", "say who asks: Authorization: Bearer TOKEN, with a token of the issuer")
    if len(token) > MAX_TOKEN or not token.isascii():
        raise Refused("invalid_token", f"a token is a JWT of at most {MAX_TOKEN} characters")
    return token.encode()


def _named_in(token: bytes) -> tuple[str, str]:
    """The key and the algorithm that an unverified token names. What else its head may say (`jku`, `jwk`, `x5u`) is not
    even read: nothing that a caller sends tells where keys come from."""
    try:
        head = msgspec.json.decode(base64url_decode(token.partition(b".")[0]))
        kid, algorithm = head["kid"], head["alg"]
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise Refused("invalid_token", "this is no JWT whose head names its key (kid) and algorithm (alg)") from None
    if not isinstance(kid, str) or not isinstance(algorithm, str):
        raise Refused("invalid_token", "kid and alg of a token are texts")
    return kid, algorithm


def _actors(claims: Mapping[str, Any]) -> dict[str, Actor]:
    """Who the holder may act as, by role. Roles of other systems are passed over."""
    listed = claims[ROLES]
    if not isinstance(listed, list):
        raise Refused("invalid_token", f"the claim {ROLES} is a list of roles")
    try:
        return {role.value: Actor(id=claims["sub"], role=role) for role in Role if role.value in listed}
    except ValidationError:
        raise Refused("invalid_token", "the claim sub is no id: 1 to 64 of A-Z a-z 0-9 . _ : -") from None


def _acting(actors: Mapping[str, Actor], role: str | None) -> Actor:
    if role is not None:
        if role in actors:
            return actors[role]
        raise Refused("forbidden", "the token does not have the role that Holdfast-Role asks for")
    if len(actors) == 1:
        return next(iter(actors.values()))
    if actors:
        raise Refused("forbidden", f"the token has several roles; say in Holdfast-Role which: {', '.join(actors)}")
    raise Refused("forbidden", f"the token has no role here; the claim {ROLES} must name one")


def _words(error: Exception) -> str:
    """What is wrong, without a word of what the token holds."""
    return _WORDS.get(type(error).__name__, "the token cannot be read as a signed JWT")


_WORDS = {
    "InvalidSignatureError": "the signature does not fit the token",
    "InvalidIssuerError": "the token is of another issuer",
    "InvalidAudienceError": "the token is for another audience",
    "InvalidSubjectError": "the claim sub is no text",
    "InvalidIssuedAtError": "the claim iat is no time",
    "MissingRequiredClaimError": f"a claim is missing; there must be iss, aud, sub, exp, iat and {ROLES}",
}
