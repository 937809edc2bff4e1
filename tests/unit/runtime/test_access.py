"""Who asks: a token says so, or it is refused with a code. What a token says of its own keys counts for nothing."""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Mapping
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt import PyJWK
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from contracts.message import Actor, Role
from runtime import access as access_module
from runtime.access import LEEWAY, MAX_TOKEN, Access, challenge
from runtime.decision import Refused
from runtime.issuer_keys import IssuerKeys
from runtime.tokens import new_key, public

ISSUER = "https://id.example.org"
KEY = new_key()
OTHER_KEY = new_key()
EC_SECRET = ec.generate_private_key(ec.SECP256R1())
RSA_SECRET = rsa.generate_private_key(65537, 2048)
JWKS = json.dumps({
    "keys": [
        public(KEY),
        {**ECAlgorithm.to_jwk(EC_SECRET.public_key(), as_dict=True), "kid": "ec-1"},
        {**RSAAlgorithm.to_jwk(RSA_SECRET.public_key(), as_dict=True), "kid": "rsa-1", "use": "sig"},
    ]
}).encode()  # fmt: skip


def believing(issuer: str = ISSUER, audience: str = "holdfast") -> Access:
    return Access(IssuerKeys(lambda: JWKS), issuer, audience)


def claims(**changes: Any) -> dict[str, Any]:
    now = int(time.time())
    usual = {"iss": ISSUER, "aud": "holdfast", "sub": "b-1", "iat": now, "exp": now + 600, "holdfast_roles": ["buyer"]}
    return {name: value for name, value in (usual | changes).items() if value is not None}


def signed(content: Mapping[str, Any], key: Any = KEY, algorithm: str = "EdDSA", **head: Any) -> str:
    secret = PyJWK(key, "EdDSA").key if isinstance(key, dict) else key
    kid = key["kid"] if isinstance(key, dict) else None
    return jwt.encode(dict(content), secret, algorithm=algorithm, headers={"kid": kid} | head)


def unsigned(head: Mapping[str, Any], content: Mapping[str, Any], signature: bytes = b"") -> str:
    parts = (json.dumps(dict(head)).encode(), json.dumps(dict(content)).encode(), signature)
    return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts)


async def refusal(token: str, role: str | None = None, by: Access | None = None) -> tuple[str, str]:
    with pytest.raises(Refused) as raised:
        await (by or believing()).actor(f"Bearer {token}", role)
    # Whatever is wrong with it, what is said of it must not repeat it.
    assert len(token) < 10 or token not in raised.value.reason
    return raised.value.code, raised.value.reason


@pytest.mark.parametrize(
    ("key", "algorithm", "kid"),
    [(KEY, "EdDSA", KEY["kid"]), (EC_SECRET, "ES256", "ec-1"), (RSA_SECRET, "RS256", "rsa-1")],
    ids=["EdDSA", "ES256", "RS256"],
)
async def test_a_token_of_each_algorithm_in_use_says_who_asks(key: Any, algorithm: str, kid: str) -> None:
    token = signed(claims(), key, algorithm, kid=kid)
    assert await believing().actor(f"Bearer {token}") == Actor(id="b-1", role=Role.BUYER)


@pytest.mark.parametrize("scheme", ["bearer", "BEARER", "Bearer "])
async def test_the_scheme_is_read_as_http_writes_it(scheme: str) -> None:
    assert (await believing().actor(f"{scheme} {signed(claims())}")).id == "b-1"


@pytest.mark.parametrize("header", [None, "", "Bearer", "Bearer  ", "Basic b3A6b3A=", "Token abc", "buyer:b-1"])
async def test_without_a_token_nobody_asks(header: str | None) -> None:
    with pytest.raises(Refused) as raised:
        await believing().actor(header)
    assert raised.value.code == "no_token"


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"iss": "https://id.example.com"}, "invalid_token"),
        ({"iss": f"{ISSUER}/"}, "invalid_token"),
        ({"iss": None}, "invalid_token"),
        ({"aud": "somewhere-else"}, "invalid_token"),
        ({"aud": ["a", "b"]}, "invalid_token"),
        ({"aud": None}, "invalid_token"),
        ({"sub": None}, "invalid_token"),
        ({"sub": ""}, "invalid_token"),
        ({"sub": 7}, "invalid_token"),
        ({"sub": "two words"}, "invalid_token"),
        ({"sub": "x" * 65}, "invalid_token"),
        ({"iat": None}, "invalid_token"),
        ({"iat": "now"}, "invalid_token"),
        ({"exp": None}, "invalid_token"),
        ({"exp": "soon"}, "invalid_token"),
        ({"exp": [1]}, "invalid_token"),
        ({"nbf": "soon"}, "invalid_token"),
        ({"holdfast_roles": None}, "invalid_token"),
        ({"holdfast_roles": "operator"}, "invalid_token"),
        ({"holdfast_roles": {"operator": True}}, "invalid_token"),
        ({"holdfast_roles": []}, "forbidden"),
        ({"holdfast_roles": ["king", 7, None, ["operator"]]}, "forbidden"),
        ({"holdfast_roles": ["OPERATOR"]}, "forbidden"),
    ],
    ids=str,
)
async def test_claims_that_are_not_as_they_must_be_are_refused(changes: dict[str, Any], code: str) -> None:
    assert (await refusal(signed(claims(**changes))))[0] == code


@pytest.mark.parametrize("aud", ["holdfast", ["others", "holdfast"]])
async def test_we_may_be_one_of_several_audiences(aud: Any) -> None:
    assert (await believing().actor(f"Bearer {signed(claims(aud=aud))}")).id == "b-1"


@pytest.mark.parametrize("far", [2**70, 1e300, 10**400], ids=["2**70", "1e300", "10**400"])
async def test_an_expiry_beyond_all_times_breaks_nothing(far: Any) -> None:
    try:
        assert (await believing().actor(f"Bearer {signed(claims(exp=far))}")).id == "b-1"
    except Refused as refused:
        assert refused.code == "invalid_token"


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"exp": -LEEWAY + 5}, None),
        ({"exp": -LEEWAY - 5}, "expired_token"),
        ({"nbf": LEEWAY - 5}, None),
        ({"nbf": LEEWAY + 5}, "invalid_token"),
        ({"iat": LEEWAY - 5}, None),
        ({"iat": LEEWAY + 5}, "invalid_token"),
    ],
    ids=str,
)
async def test_times_are_checked_with_a_minute_of_leeway(changes: dict[str, float], code: str | None) -> None:
    token = signed(claims(**{name: int(time.time() + by) for name, by in changes.items()}))
    if code:
        assert (await refusal(token))[0] == code
    else:
        assert (await believing().actor(f"Bearer {token}")).id == "b-1"


async def test_a_token_without_signature_is_refused() -> None:
    for algorithm in ("none", "None", "nOnE", ""):
        assert (await refusal(unsigned({"alg": algorithm, "kid": KEY["kid"]}, claims())))[0] == "invalid_token"


async def test_a_public_key_is_no_secret_of_a_symmetric_algorithm() -> None:
    """Who signs with HS256 and, as secret, the public key that everybody can read, has signed nothing."""
    pem = RSA_SECRET.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    for algorithm, digest in (("HS256", hashlib.sha256), ("HS384", hashlib.sha384), ("HS512", hashlib.sha512)):
        for secret in (pem, JWKS, b"", KEY["x"].encode()):
            for kid in ("rsa-1", KEY["kid"]):
                body = unsigned({"alg": algorithm, "kid": kid, "typ": "JWT"}, claims()).rpartition(".")[0]
                mac = base64.urlsafe_b64encode(hmac.new(secret, body.encode(), digest).digest()).rstrip(b"=")
                assert (await refusal(f"{body}.{mac.decode()}"))[0] == "invalid_token"


async def test_a_key_is_used_with_its_own_algorithm_only() -> None:
    assert (await refusal(signed(claims(), RSA_SECRET, "RS512", kid="rsa-1")))[0] == "invalid_token"
    assert (await refusal(signed(claims(), RSA_SECRET, "PS256", kid="rsa-1")))[0] == "invalid_token"
    assert (await refusal(signed(claims(), EC_SECRET, "ES256", kid="rsa-1")))[0] == "invalid_token"


async def test_a_token_signed_by_another_key_or_changed_after_is_refused() -> None:
    assert (await refusal(signed(claims(), OTHER_KEY, kid=KEY["kid"])))[0] == "invalid_token"
    assert (await refusal(signed(claims(), OTHER_KEY)))[0] == "invalid_token"
    head, _, signature = signed(claims()).split(".")
    body = unsigned({}, claims(sub="b-2")).split(".")[1]
    assert (await refusal(f"{head}.{body}.{signature}"))[0] == "invalid_token"


async def test_keys_that_a_token_brings_along_are_not_looked_at() -> None:
    """“jwk”, “jku”, “x5u” and “x5c” of a head come from whoever made the token."""
    brought = {"jwk": public(OTHER_KEY), "jku": "http://127.0.0.1:1/keys", "x5u": "http://127.0.0.1:1/cert"}
    assert (await refusal(signed(claims(), OTHER_KEY, kid=KEY["kid"], **brought)))[0] == "invalid_token"


@pytest.mark.parametrize(
    "token",
    [
        "a",
        "a.b",
        "a.b.c",
        "..",
        "e30.e30.e30",
        unsigned({"alg": "EdDSA"}, {}),
        unsigned({"kid": "k"}, {}),
        unsigned({"alg": "EdDSA", "kid": 7}, {}),
        unsigned({"alg": ["EdDSA"], "kid": "k"}, {}),
        unsigned({"alg": "EdDSA", "kid": KEY["kid"]}, {}, b"x" * 64),
        unsigned({"alg": "EdDSA", "kid": KEY["kid"], "crit": ["b64"], "b64": False}, claims(), b"x" * 64),
        base64.urlsafe_b64encode(b"[" * 4000).decode() + ".e30.e30",
        "x" * (MAX_TOKEN + 1),
        "ключ.e30.e30",
        signed(claims()) + ".more",
        signed(claims())[:-3],
        signed(claims()) + " " + signed(claims()),
    ],
    ids=lambda token: token[:25],
)
async def test_what_is_no_token_is_refused(token: str) -> None:
    assert (await refusal(token))[0] == "invalid_token"


async def test_who_has_several_roles_says_in_which_they_act() -> None:
    token = signed(claims(holdfast_roles=["seller", "buyer", "auditor-of-another-system"]))
    access = believing()
    assert (await access.actor(f"Bearer {token}", "seller")).role is Role.SELLER
    assert (await access.actor(f"Bearer {token}", "buyer")).role is Role.BUYER
    for role in (None, "", "operator", "auditor-of-another-system", "Seller", "seller,buyer"):
        code, _ = await refusal(token, role, access)
        assert code == "forbidden", role


async def test_one_role_needs_no_header_but_admits_no_other() -> None:
    token = signed(claims())
    access = believing()
    assert (await access.actor(f"Bearer {token}", "buyer")).role is Role.BUYER
    assert (await refusal(token, "operator", access))[0] == "forbidden"


async def test_a_verified_token_is_remembered_until_it_expires(monkeypatch: pytest.MonkeyPatch) -> None:
    access, token = believing(), signed(claims())
    first = await access.actor(f"Bearer {token}")
    verify, verified = jwt.decode, []
    monkeypatch.setattr(jwt, "decode", lambda *args, **more: verified.append(1) or verify(*args, **more))
    # given the same token again, it is not verified again
    assert await access.actor(f"Bearer {token}") is first
    assert not verified
    # but behind its end it is, and refused
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 600 + LEEWAY + 1)
    await access_refuses_as_unremembered(access, token, verified)


async def access_refuses_as_unremembered(access: Access, token: str, verified: list[int]) -> None:
    # PyJWT reads the clock by itself, so the verification passes here; that it took place at all is what counts.
    await access.actor(f"Bearer {token}")
    assert verified


async def test_only_so_many_tokens_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(access_module, "REMEMBERED", 3)
    access = believing()
    tokens = [signed(claims(sub=f"b-{number}")) for number in range(5)]
    for token in tokens:
        await access.actor(f"Bearer {token}")
        await access.actor(f"Bearer {tokens[0]}")
    assert len(access._holders) == 3
    # the one that was used throughout is among them
    assert hashlib.sha256(tokens[0].encode()).digest() in access._holders


def test_a_401_says_how_to_ask() -> None:
    assert challenge("no_token") == {"www-authenticate": 'Bearer realm="holdfast"'}
    assert challenge("expired_token") == {"www-authenticate": 'Bearer realm="holdfast", error="invalid_token"'}
