"""The issuer's keys: found, kept, changed without a restart; and what is done while the issuer is away."""

import asyncio
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm
from pydantic import ValidationError

from runtime import issuer_keys
from runtime.access import Access
from runtime.decision import Refused
from runtime.issuer_keys import FRESH_FOR, UNKNOWN_EVERY, IssuerKeys, keys_in, source_of
from runtime.settings import DEVELOPMENT_ISSUER, Settings
from runtime.tokens import KEYS, SIGNING_KEY, Minter, new_key, public
from tests.waiting import eventually

ONE, TWO = new_key(), new_key()


def jwks(*keys: dict[str, Any]) -> bytes:
    return json.dumps({"keys": [public(key) for key in keys]}).encode()


class Issuer:
    """Gives its document, or fails; counts how often it was asked. `door` holds askers back while it is closed."""

    def __init__(self, document: bytes) -> None:
        self.document: bytes | Exception = document
        self.asked = 0
        self.door = threading.Event()
        self.door.set()

    def __call__(self) -> bytes:
        self.asked += 1
        assert self.door.wait(10)
        if isinstance(self.document, Exception):
            raise self.document
        return self.document


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def keys_of(document: bytes) -> tuple[IssuerKeys, Issuer, Clock]:
    issuer, clock = Issuer(document), Clock()
    return IssuerKeys(issuer, clock), issuer, clock


async def test_keys_are_fetched_once_for_all_that_ask() -> None:
    keys, issuer, _ = keys_of(jwks(ONE))
    issuer.door.clear()
    asking = [asyncio.create_task(keys.find(ONE["kid"])) for _ in range(50)]
    await eventually(lambda: issuer.asked)
    issuer.door.set()
    assert all(found and found.algorithm == "EdDSA" for found in await asyncio.gather(*asking))
    assert issuer.asked == 1


async def test_one_who_gives_up_waiting_spoils_it_for_nobody() -> None:
    keys, issuer, _ = keys_of(jwks(ONE))
    issuer.door.clear()
    first, second = (asyncio.create_task(keys.find(ONE["kid"])) for _ in range(2))
    await eventually(lambda: issuer.asked)
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    issuer.door.set()
    assert await second
    assert issuer.asked == 1


async def test_a_new_key_is_found_without_a_restart() -> None:
    keys, issuer, _ = keys_of(jwks(ONE))
    assert await keys.find(ONE["kid"])
    issuer.document = jwks(ONE, TWO)
    assert await keys.find(TWO["kid"])
    assert keys.generation == 2
    assert await keys.find(ONE["kid"]) and issuer.asked == 2


async def test_made_up_keys_do_not_hammer_the_issuer() -> None:
    keys, issuer, clock = keys_of(jwks(ONE))
    for number in range(100):
        assert await keys.find(f"made-up-{number}") is None
    assert issuer.asked <= 2
    asked, clock.now = issuer.asked, clock.now + UNKNOWN_EVERY
    assert await keys.find("made-up") is None
    assert issuer.asked == asked + 1


async def test_a_withdrawn_key_counts_no_longer_than_keys_are_fresh() -> None:
    keys, issuer, clock = keys_of(jwks(ONE, TWO))
    assert await keys.find(TWO["kid"])
    issuer.document = jwks(ONE)
    assert await keys.find(TWO["kid"])
    # the first who comes after that is still served at once, and has the keys fetched
    clock.now += FRESH_FOR
    keys.keep_fresh()
    await eventually(lambda: keys.generation == 2)
    assert await keys.find(TWO["kid"]) is None


@pytest.mark.parametrize(
    "fault",
    [
        OSError("no route"),
        b"",
        b"<html>",
        b"[]",
        b'{"keys": 7}',
        b'{"keys": []}',
        b'{"keys": [{"kty": "oct", "kid": "a"}]}',
    ],
    ids=str,
)
async def test_while_the_issuer_is_away_its_keys_go_on_to_count(fault: Any) -> None:
    keys, issuer, clock = keys_of(jwks(ONE))
    assert await keys.find(ONE["kid"])
    issuer.document, clock.now = fault, clock.now + FRESH_FOR
    keys.keep_fresh()
    await eventually(lambda: issuer.asked == 2 and keys._fault)
    assert await keys.find(ONE["kid"])
    # of a key that is not known nothing can be said
    with pytest.raises(Refused) as raised:
        await keys.find(TWO["kid"])
    assert raised.value.code == "unavailable"
    # and as soon as it is back all is well
    issuer.document, clock.now = jwks(TWO), clock.now + UNKNOWN_EVERY
    assert await keys.find(TWO["kid"])


async def test_without_any_keys_nobody_can_be_known() -> None:
    keys, issuer, clock = keys_of(b"")
    issuer.document = OSError("no route")
    for _ in range(20):
        with pytest.raises(Refused) as raised:
            await keys.find(ONE["kid"])
        assert raised.value.code == "unavailable"
    assert issuer.asked == 1
    issuer.document, clock.now = jwks(ONE), clock.now + 1
    assert await keys.find(ONE["kid"])


def test_keys_of_other_kinds_and_uses_are_passed_over() -> None:
    small = RSAAlgorithm.to_jwk(rsa.generate_private_key(65537, 1024).public_key(), as_dict=True)
    large = RSAAlgorithm.to_jwk(rsa.generate_private_key(65537, 2048).public_key(), as_dict=True)
    other_curve = ECAlgorithm.to_jwk(ec.generate_private_key(ec.SECP384R1()).public_key(), as_dict=True)
    document = {
        "keys": [
            {**public(ONE), "kid": "good"},
            {"kty": "oct", "k": "c2VjcmV0", "kid": "symmetric", "alg": "HS256"},
            {**small, "kid": "small"},
            {**large, "kid": "pss", "alg": "PS256"},
            {**large, "kid": "for-encryption", "use": "enc"},
            {**large, "kid": "large"},
            {**other_curve, "kid": "P-384"},
            {**public(TWO), "kid": "broken", "x": "AAAA"},
            {name: value for name, value in public(TWO).items() if name != "kid"},
            {"kid": "nothing"},
        ]
    }
    assert {kid: key.algorithm for kid, key in keys_in(json.dumps(document).encode()).items()} == {
        "good": "EdDSA",
        "large": "RS256",
    }


@contextmanager
def web(pages: dict[str, bytes]) -> Iterator[str]:
    """A web server with these pages; those that are missing are 404."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = pages.get(self.path)
            self.send_response(200 if body is not None else 404)
            self.end_headers()
            self.wfile.write(body or b"")

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def settings(**given: Any) -> Settings:
    usual = {"database_url": "postgresql://nobody@nowhere/x", "kafka_bootstrap": "nowhere:1", "environment": "test"}
    return Settings(**usual | given)


def test_keys_come_from_where_the_issuer_says() -> None:
    pages: dict[str, bytes] = {"/keys": jwks(ONE)}
    with web(pages) as base:
        pages["/.well-known/openid-configuration"] = json.dumps({"issuer": base, "jwks_uri": f"{base}/keys"}).encode()
        assert source_of(settings(oidc_issuer=base))() == jwks(ONE)


def test_who_speaks_for_another_issuer_is_not_believed() -> None:
    pages: dict[str, bytes] = {}
    with web(pages) as base:
        other = {"issuer": "https://id.example.org", "jwks_uri": f"{base}/keys"}
        pages["/.well-known/openid-configuration"] = json.dumps(other).encode()
        with pytest.raises(ValueError, match="is not the issuer"):
            source_of(settings(oidc_issuer=base))()


def test_keys_come_from_an_address_or_a_file_that_is_set(tmp_path: Path) -> None:
    with web({"/keys": jwks(TWO)}) as base:
        assert source_of(settings(oidc_keys_url=f"{base}/keys"))() == jwks(TWO)
    Minter.create(tmp_path, environment="test")
    assert source_of(settings(oidc_keys_file=tmp_path / KEYS))() == (tmp_path / KEYS).read_bytes()


def test_an_issuer_that_never_stops_talking_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(issuer_keys, "MAX_BYTES", 1000)
    with web({"/keys": b" " * 1001}) as base, pytest.raises(ValueError, match="more than 1000 bytes"):
        source_of(settings(oidc_keys_url=f"{base}/keys"))()


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "development issuer"),
        ({"oidc_issuer": DEVELOPMENT_ISSUER}, "development issuer"),
        ({"oidc_issuer": DEVELOPMENT_ISSUER, "oidc_keys_file": "/keys.json"}, "development issuer"),
        ({"oidc_issuer": ""}, "https"),
        ({"oidc_issuer": "http://id.example.org"}, "https"),
        ({"oidc_issuer": "https://id.example.org", "oidc_keys_url": "http://id.example.org/keys"}, "https"),
        ({"oidc_issuer": "https://id.example.org", "oidc_audience": ""}, "oidc_audience"),
    ],
    ids=str,
)
def test_production_needs_an_issuer_of_its_own(given: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        settings(environment="production", **given)


def test_production_takes_an_issuer_on_https() -> None:
    assert settings(environment="production", oidc_issuer="https://id.example.org").oidc_audience == "holdfast"


def test_no_tokens_are_minted_for_production(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="production"):
        Minter.create(tmp_path, environment="production")
    assert not list(tmp_path.iterdir())


def test_the_signing_key_is_its_owners_alone_and_the_public_one_holds_no_secret(tmp_path: Path) -> None:
    made = Minter.create(tmp_path / "keys", environment="development")
    assert (tmp_path / "keys" / SIGNING_KEY).stat().st_mode & 0o777 == 0o600
    (known,) = json.loads((tmp_path / "keys" / KEYS).read_text())["keys"]
    assert known["kid"] == made.kid and "d" not in known
    assert json.loads((tmp_path / "keys" / SIGNING_KEY).read_text())["d"] not in (tmp_path / "keys" / KEYS).read_text()


def test_tokens_are_kept_for_who_asks_again(tmp_path: Path) -> None:
    minter = Minter.create(tmp_path, environment="test")
    assert minter.bearer("buyer", "b-1") is minter.bearer("buyer", "b-1")
    assert minter.bearer("buyer", "b-1") != minter.bearer("seller", "b-1")
    with pytest.raises(ValueError, match="king"):
        minter.token("king", "b-1")


async def test_tokens_of_a_withdrawn_key_are_not_remembered() -> None:
    keys, issuer, clock = keys_of(jwks(ONE, TWO))
    access = Access(keys, DEVELOPMENT_ISSUER, "holdfast")
    header = Minter(TWO).bearer("operator", "op-1")["authorization"]
    assert (await access.actor(header)).id == "op-1"
    issuer.document, clock.now = jwks(ONE), clock.now + FRESH_FOR
    assert (await access.actor(header)).id == "op-1"
    await eventually(lambda: keys.generation == 2)
    with pytest.raises(Refused) as raised:
        await access.actor(header)
    assert raised.value.code == "invalid_token"
