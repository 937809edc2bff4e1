"""The public keys of the issuer whose tokens are believed: where they come from, and how they are kept fresh.

They are fetched when the first token comes, again every few minutes, and at once when a token names a key that is not
among them: so the issuer may change its keys and no service needs a restart. While the issuer is away, what was fetched
last goes on to count.
"""

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import httpx
import msgspec
import structlog
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from jwt import PyJWK
from jwt.exceptions import PyJWTError

from runtime.decision import Refused
from runtime.settings import Settings

log = structlog.get_logger()

ALGORITHMS = {("OKP", "Ed25519"): "EdDSA", ("EC", "P-256"): "ES256", ("RSA", None): "RS256"}
"""By kind and curve of a key, the one algorithm it may be used with. A token has no say in this: otherwise a public key
could be passed off as the secret of a symmetric algorithm."""

FRESH_FOR = 300.0
"""Seconds after which keys are fetched again, beside the work: for so long a key that was withdrawn still counts."""
UNKNOWN_EVERY = 5.0
"""Least seconds between two fetches that unknown keys, which anybody can make up, call for."""
FAILED_EVERY = 1.0
"""Least seconds between two tries while the issuer is silent."""
WITHIN = 5.0
MAX_BYTES = 256 * 1024
LEAST_RSA_BITS = 2048

Fetch = Callable[[], bytes]


class Key(NamedTuple):
    """A public key and the algorithm it verifies."""

    algorithm: str
    key: PyJWK


def keys_in(document: bytes) -> dict[str, Key]:
    """The keys of a JWKS document by their `kid`; those of other kinds and uses are passed over. Raises ValueError
    where it is none, or holds no key that can be used."""
    try:
        listed = msgspec.json.decode(document)["keys"]
        keys = {entry["kid"]: key for entry in listed if (key := _key(entry))}
    except (msgspec.DecodeError, TypeError, KeyError, AttributeError) as error:
        raise ValueError(f"this is no JWKS document: {error!r}") from None
    if not keys:
        raise ValueError("the JWKS document has no signing key of a kind in use: Ed25519, P-256 or RSA, with a kid")
    return keys


def _key(entry: dict[str, Any]) -> Key | None:
    algorithm = ALGORITHMS.get((str(entry.get("kty")), entry.get("crv")))
    if not algorithm or not isinstance(entry.get("kid"), str) or entry.get("use", "sig") != "sig":
        return None
    if entry.get("alg", algorithm) != algorithm:
        return None
    public = {name: value for name, value in entry.items() if name not in ("d", "p", "q", "dp", "dq", "qi", "oth")}
    try:
        key = PyJWK(public, algorithm)
    except (PyJWTError, ValueError):
        return None
    if isinstance(key.key, RSAPublicKey) and key.key.key_size < LEAST_RSA_BITS:
        return None
    return Key(algorithm, key)


def source_of(settings: Settings) -> Fetch:
    """How the JWKS document is had: from the file or the address that is set, else where the issuer's own description
    says. Blocks; raises OSError, ValueError, `httpx.HTTPError`."""
    if settings.oidc_keys_file:
        return settings.oidc_keys_file.read_bytes
    if settings.oidc_keys_url:
        url = settings.oidc_keys_url
        return lambda: _get(url)
    return lambda: _get(_discovered(settings.oidc_issuer))


def _discovered(issuer: str) -> str:
    """Where the issuer keeps its keys, by OpenID Connect Discovery 1.0."""
    told = msgspec.json.decode(_get(f"{issuer.rstrip('/')}/.well-known/openid-configuration"))
    if told["issuer"] != issuer:
        raise ValueError(f"what calls itself {told['issuer']!r} is not the issuer {issuer!r}")
    address = str(told["jwks_uri"])
    if issuer.startswith("https:") and not address.startswith("https:"):
        raise ValueError(f"an issuer on https has its keys on https too, not at {address!r}")
    return address


def _get(url: str) -> bytes:
    body = bytearray()
    with httpx.stream("GET", url, timeout=WITHIN) as answer:
        answer.raise_for_status()
        for chunk in answer.iter_bytes():
            body += chunk
            if len(body) > MAX_BYTES:
                raise ValueError(f"{url} sends more than {MAX_BYTES} bytes")
    return bytes(body)


class IssuerKeys:
    """The keys as fetched last. `generation` grows when they changed."""

    def __init__(self, fetch: Fetch, clock: Callable[[], float] = time.monotonic) -> None:
        self._fetch = fetch
        self._clock = clock
        self._keys: Mapping[str, Key] = {}
        self._document = b""
        self._fault = ""
        self._stale_at = float("-inf")
        self._unknown_at = float("-inf")
        self._under_way: asyncio.Task[None] | None = None
        self.generation = 0

    async def find(self, kid: str) -> Key | None:
        """The key of this name, or None where the issuer has none such. Raises `Refused` (unavailable) where that
        cannot be known, because the issuer is silent."""
        self.keep_fresh()
        if kid not in self._keys and self._may_ask():
            # One fetch answers all that wait for it, and goes on where one of them is cancelled.
            await asyncio.shield(self._begin())
        found = self._keys.get(kid)
        if found is None and self._fault:
            raise Refused("unavailable", "the keys of the issuer cannot be had; try again")
        return found

    def keep_fresh(self) -> None:
        """Has stale keys fetched again beside the work. Costs nothing while they are fresh."""
        if self._clock() >= self._stale_at and self._keys:
            self._begin()

    def _may_ask(self) -> bool:
        """Whether a key that is not known is worth a fetch, or there is one under way that may bring it."""
        if self._under_way:
            return True
        now = self._clock()
        if not self._keys:
            return now >= self._stale_at
        if now < self._unknown_at:
            return False
        self._unknown_at = now + UNKNOWN_EVERY
        return True

    def _begin(self) -> "asyncio.Task[None]":
        if self._under_way is None:
            self._under_way = asyncio.create_task(self._refresh())
        return self._under_way

    async def _refresh(self) -> None:
        try:
            document = await asyncio.to_thread(self._fetch)
            if document != self._document:
                self._keys = keys_in(document)
                self._document = document
                self.generation += 1
                log.info("issuer_keys_read", kids=sorted(self._keys))
            self._fault = ""
        except Exception as error:  # whatever comes from outside, the keys we have stay good
            self._fault = repr(error)
            log.warning("issuer_keys_not_read", error=self._fault, known=len(self._keys))
        finally:
            self._stale_at = self._clock() + (FAILED_EVERY if self._fault else FRESH_FOR)
            self._under_way = None
