"""Who may see and do what, on a whole stack over HTTP: the OWASP API Security Top 10 of 2023, one by one.

What is asked is taken from the services' own descriptions, so that a route that is added later is asked for, too.
"""

import asyncio
import json
import os
import re
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import jwt
import pytest

from holdfast.addresses import SERVICES
from holdfast.clockwork import Clockwork
from holdfast.embedded.ports import free_port
from holdfast.stack import Stack
from runtime.http import MAX_BODY_BYTES
from runtime.issuer_keys import UNKNOWN_EVERY
from runtime.settings import DEVELOPMENT_ISSUER
from runtime.tokens import KEYS, SIGNING_KEY, new_key
from tests.access import environment as environment_of_tokens
from tests.waiting import eventually

START = datetime(2026, 3, 2, 7, tzinfo=UTC)
OPEN_TO_ALL = {"/livez", "/readyz", "/metrics", "/webhooks"}
DEVELOPMENT_ONLY = {"/dev/progress"}
LINE = {"line_no": 1, "sku": "sku-1", "category": "clothing", "quantity": 1}
PARCEL = {"carrier": "post", "tracking_number": "TN-1"}
ADDRESS = {"name": "A. Canary", "line_1": "Calle Mayor 1", "city": "Madrid", "country": "ES"}
PAPERS = [
    {"kind": kind, "sha256": str(number) * 64, "issued_on": "2026-02-20"}
    for number, kind in enumerate(("card_picture", "passport", "card_statement"))
]


def placing(order_id: str, buyer_id: str, amount: int, **more: Any) -> dict[str, Any]:
    parties = {"buyer_id": buyer_id, "seller_id": "s-1", "buyer_country": "ES", "seller_country": "CN"}
    lines = [LINE | {"unit_price": {"amount": amount, "currency": "EUR"}}]
    return {"order_id": order_id, **parties, "lines": lines, **more}


BODIES: dict[str, dict[str, Any]] = {
    "/quotes": {"quote_id": "q-1", "buyer_id": "b-1", "presentment": "USD", "settlement": "EUR"},
    "/orders": placing("o-1", "b-1", 5000),
    "/orders/{order_id}/payment": {"method": "alipay"},
    "/orders/{order_id}/shipment": PARCEL,
    "/orders/{order_id}/receipt": {},
    "/orders/{order_id}/cancellation": {"reason": "changed_mind"},
    "/orders/{order_id}/returned-payment": {"operation_id": "p-1"},
    "/orders/{order_id}/shipping-address": {"address": ADDRESS},
    "/escrow/{order_id}/operations/{operation_id}/retry": {},
    "/escrow/{order_id}/operations/{operation_id}/result": {"result": "succeeded"},
    "/deposits": {"seller_id": "s-1", "category": "clothing", "country": "CN"},
    "/deposits/{seller_id}/payment": {"method": "alipay"},
    "/deposits/{seller_id}/suspension": {"reason": "fraud"},
    "/deposits/{seller_id}/reinstatement": {},
    "/disputes": {"dispute_id": "d-1", "order_id": "o-1", "lines": [1], "reason": "damaged"},
    "/disputes/{dispute_id}/withdrawal": {},
    "/disputes/{dispute_id}/ruling": {"rulings": [{"line_no": 1, "verdict": "refund"}]},
    "/disputes/{dispute_id}/return": PARCEL,
    "/disputes/{dispute_id}/return-receipt": {},
    "/disputes/{dispute_id}/replacement": PARCEL,
    "/accounts": {"person_id": "b-1", "country": "ES"},
    "/accounts/{person_id}/appeals": {"appeal_id": "a-1", "order_id": "o-large", "documents": PAPERS},
    "/accounts/{person_id}/appeals/{appeal_id}/verification": {},
    "/accounts/{person_id}/appeals/{appeal_id}/rejection": {"reason": "papers_do_not_match"},
    "/reconciliations": {"provider": "prov", "day": "2026-03-01", "closed_at": "2026-03-02T01:00:00Z", "entries": []},
    "/dead-letters/{key}/replay": {"reason": "was a test"},
    "/dead-letters/{key}/discard": {"reason": "was a test", "seq": 1},
}
"""A body for every command. It need not be what the state allows: who may ask is decided before."""
THERE = {
    "order_id": "o-1", "operation_id": "refund-o-1-1", "seller_id": "s-1", "dispute_id": "d-1", "person_id": "b-1",
    "appeal_id": "a-1", "quote_id": "q-1", "key": "o-1", "seq": "1",
}  # fmt: skip
"""Ids of what is there; all of it is of `b-1` and `s-1`."""
NOWHERE = {name: "1" if name == "seq" else f"z{id}" for name, id in THERE.items()}


class World:
    """A stack with an order that is disputed, another one stopped for review, and an appeal."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.minter = stack.addresses.minter()
        self.http = httpx.Client(timeout=30)
        self.descriptions = {name: self.ask("", name, "GET", "/openapi.json").json() for name in SERVICES}

    def ask(self, actor: str, service: str, method: str, path: str, body: Any = None, **headers: str) -> httpx.Response:
        role, _, id = actor.partition(":")
        sent = (self.minter.bearer(role, id) if actor else {}) | headers
        url = f"{self.stack.addresses.services[service]}{path}"
        return self.http.request(method, url, json=body, headers=sent)

    def do(self, actor: str, service: str, path: str, body: dict[str, Any]) -> None:
        answer = self.ask(actor, service, "POST", path, body)
        assert answer.status_code == 200, answer.text

    def pass_time(self, span: timedelta) -> None:
        async def passing() -> None:
            with closing(Clockwork(self.stack.addresses)) as clockwork:
                await clockwork.advance_to(clockwork.clock.now() + span)
                await clockwork.settle()

        asyncio.run(passing())

    def routes(self, *, reads: bool = True, writes: bool = True) -> Iterator[tuple[str, str, str]]:
        """Service, method and path of everything that is offered, but what is open to all."""
        for service, description in self.descriptions.items():
            for path, methods in description["paths"].items():
                for method in methods:
                    if path not in OPEN_TO_ALL | DEVELOPMENT_ONLY and (reads if method == "get" else writes):
                        yield service, method.upper(), path


def fill(path: str, ids: dict[str, str]) -> str:
    """The path with its ids in it, and what a query must have."""
    if path == "/reconciliations/{day}":
        return "/reconciliations/2026-03-01?provider=prov"
    return re.sub(r"\{(\w+)(:path)?\}", lambda found: quote(ids[found[1]]), path)


def populate(world: World) -> None:
    for person in ("buyer:b-1", "buyer:b-2", "seller:s-1", "seller:s-2"):
        world.do(person, "identity", "/accounts", {"person_id": person.partition(":")[2], "country": "ES"})
    for seller in ("s-1", "s-2"):
        body = {"seller_id": seller, "category": "clothing", "country": "CN"}
        world.do(f"seller:{seller}", "deposits", "/deposits", body)
        world.do(f"seller:{seller}", "deposits", f"/deposits/{seller}/payment", {"method": "alipay"})
    world.pass_time(timedelta(hours=1))
    for order_id, amount in (("o-1", 5_000), ("o-large", 5_000_000)):
        world.do("buyer:b-1", "orders", "/orders", placing(order_id, "b-1", amount))
        world.do("buyer:b-1", "orders", f"/orders/{order_id}/payment", {"method": "credit_card"})
    world.pass_time(timedelta(hours=1))
    world.do("seller:s-1", "orders", "/orders/o-1/shipment", PARCEL)
    world.do("buyer:b-1", "disputes", "/disputes", BODIES["/disputes"])
    world.do("buyer:b-1", "identity", "/accounts/b-1/appeals", BODIES["/accounts/{person_id}/appeals"])
    if "/quotes" in world.descriptions["orders"]["paths"]:
        world.do("buyer:b-1", "orders", "/quotes", BODIES["/quotes"])
    world.pass_time(timedelta(minutes=10))


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, server_folder: Path) -> Iterator[World]:
    folder = server_folder / f"stack-{tmp_path_factory.mktemp('access').name}"
    stack = Stack.start(folder, clock=START, say=lambda _: None)
    try:
        world = World(stack)
        populate(world)
        yield world
    finally:
        stack.stop(say=lambda _: None)


def told(answer: httpx.Response, ids: dict[str, str]) -> str:
    """What an answer says, whatever ids were asked for."""
    text = f"{answer.status_code} {answer.text}"
    for name, id in ids.items():
        text = re.sub(rf"(?<![\w-]){re.escape(id)}(?![\w-])", name, text)
    return text


STRANGERS = ("buyer:b-2", "seller:s-2", "seller:b-1", "buyer:s-1")
"""Others; and the parties in the role they do not have."""


def test_api1_2023_objects_of_others_are_answered_like_those_that_are_not_there(world: World) -> None:
    """Broken Object Level Authorization: no read and no write tells a stranger even whether the object exists."""
    asked = 0
    for service, method, path in world.routes():
        if "{" not in path:
            continue
        for stranger in STRANGERS:
            body = BODIES[path] if method == "POST" else None
            there = world.ask(stranger, service, method, fill(path, THERE), body)
            nowhere = world.ask(stranger, service, method, fill(path, NOWHERE), body)
            if own_path(path, stranger):
                continue
            what = f"{stranger}: {method} {path}"
            assert there.status_code in (403, 404), f"{what}: {there.text}"
            assert told(there, THERE) == told(nowhere, NOWHERE), what
            if method == "POST":
                guessed = world.ask(stranger, service, method, fill(path, THERE), body, **{"if-match": '"77"'})
                assert told(guessed, THERE) == told(there, THERE), what
            asked += 1
    assert asked > 80
    # the same ids are there for those they belong to
    for actor, service, path in [
        ("buyer:b-1", "orders", "/orders/o-1"),
        ("seller:s-1", "orders", "/orders/o-1"),
        ("buyer:b-1", "escrow", "/escrow/o-1"),
        ("seller:s-1", "escrow", "/money/orders/o-1"),
        ("buyer:b-1", "disputes", "/disputes/d-1"),
        ("seller:s-1", "disputes", "/disputes/d-1"),
        ("seller:s-1", "deposits", "/deposits/s-1"),
        ("buyer:b-1", "identity", "/accounts/b-1"),
    ]:
        assert world.ask(actor, service, "GET", path).status_code == 200, (actor, path)


def own_path(path: str, stranger: str) -> bool:
    """Whether the path is the stranger's own after all: people have one account, in whichever role they come."""
    return path.startswith("/accounts/{person_id}") and stranger == "seller:b-1"


def test_api1_2023_lists_hold_what_is_ones_own(world: World) -> None:
    for actor in ("buyer:b-2", "seller:s-2"):
        for service, path in (("orders", "/orders"), ("disputes", "/disputes"), ("disputes", "/disputes?order_id=o-1")):
            answer = world.ask(actor, service, "GET", path)
            assert answer.status_code == 200 and "o-1" not in answer.text, (actor, path)
        assert world.ask(actor, "orders", "GET", "/orders?buyer_id=b-1").json()["code"] in ("forbidden",)
    assert "o-1" in world.ask("buyer:b-1", "orders", "GET", "/orders").text


def test_api2_2023_nothing_is_told_and_nothing_done_without_a_good_token(world: World) -> None:
    """Broken Authentication: each route, without a token and with every kind of bad one."""
    now = int(time.time())
    good = {"iss": DEVELOPMENT_ISSUER, "aud": "holdfast", "sub": "op-1", "iat": now, "exp": now + 600}
    good["holdfast_roles"] = ["operator"]
    forged = new_key() | {"kid": world.minter.kid}
    key = json.loads((Path(world.stack.addresses.keys) / SIGNING_KEY).read_text())

    def signed(claims: dict[str, Any], by: dict[str, Any] = key) -> str:
        return jwt.encode(claims, jwt.PyJWK(by, "EdDSA").key, algorithm="EdDSA", headers={"kid": by["kid"]})

    bad = {
        "": "no_token",
        "Basic b3A6b3A=": "no_token",
        f"Bearer {signed(good, forged)}": "invalid_token",
        f"Bearer {jwt.encode(good, None, algorithm='none', headers={'kid': world.minter.kid})}": "invalid_token",
        f"Bearer {signed(good | {'aud': 'elsewhere'})}": "invalid_token",
        f"Bearer {signed(good | {'iss': 'https://elsewhere.example'})}": "invalid_token",
        f"Bearer {signed(good | {'exp': now - 100})}": "expired_token",
        f"Bearer {signed(good | {'nbf': now + 100})}": "invalid_token",
    }
    for service, method, path in world.routes():
        for authorization, code in bad.items():
            body = BODIES[path] if method == "POST" else None
            answer = world.ask("", service, method, fill(path, THERE), body, authorization=authorization)
            assert (answer.status_code, answer.json()["code"]) == (401, code), f"{method} {path}: {answer.text}"
            assert answer.headers["www-authenticate"].startswith("Bearer"), path
            assert authorization.partition(" ")[2] not in answer.text or not authorization
    # the header of old is no way in
    old = world.ask("", "escrow", "GET", "/money/proof", **{"holdfast-actor": "operator:op-1"})
    assert old.status_code == 401
    # and the same claims, signed rightly, are one
    fine = world.ask("", "escrow", "GET", "/money/proof", authorization=f"Bearer {signed(good)}")
    assert fine.status_code == 200


def test_api2_2023_tokens_are_in_no_log_and_the_key_is_ours_alone(world: World) -> None:
    canary = world.minter.token("buyer", "b-canary")
    for service, method, path in world.routes(reads=True):
        body = {} if method == "POST" else None
        world.ask("", service, method, fill(path, NOWHERE), body, authorization=f"Bearer {canary}")
        world.ask("", service, method, fill(path, NOWHERE), body, authorization=f"Bearer {canary[:-2]}")
    logs = list(world.stack.folder.glob("*.log"))
    assert len(logs) >= len(SERVICES)
    for log in logs:
        assert canary.rpartition(".")[2][:20] not in log.read_text(errors="replace"), log
    assert stat.S_IMODE((Path(world.stack.addresses.keys) / SIGNING_KEY).stat().st_mode) == 0o600


def test_api3_2023_fields_that_are_not_ones_to_set_are_refused(world: World) -> None:
    """Broken Object Property Level Authorization, on the way in: no command takes a field it does not declare."""
    planted = {
        "actor": {"id": "op-1", "role": "operator"}, "version": 9, "state": "released", "status": "active",
        "balance": 1, "is_admin": True,
    }  # fmt: skip
    for service, method, path in world.routes(reads=False):
        if path.startswith(("/dead-letters", "/reconciliations")):
            continue
        for field, value in planted.items():
            body = BODIES[path] | {field: value}
            answer = world.ask("operator:op-1", service, method, fill(path, NOWHERE), body)
            assert (answer.status_code, answer.json()["code"]) == (422, "invalid_data"), f"{path} {field}"


def test_api3_2023_a_seller_is_shown_nothing_of_the_buyer_E10(world: World) -> None:
    """… and on the way out: who the buyer is, and how they pay, is in no view of a seller."""
    for service, path in [
        ("orders", "/orders/o-1"),
        ("orders", "/orders"),
        ("orders", "/orders/o-1/money"),
        ("escrow", "/escrow/o-1"),
        ("escrow", "/money/orders/o-1"),
        ("disputes", "/disputes/d-1"),
        ("disputes", "/disputes"),
        ("deposits", "/deposits/s-1"),
    ]:
        answer = world.ask("seller:s-1", service, "GET", path)
        if answer.status_code == 404 and answer.json()["code"] == "no_such_route":
            continue
        assert answer.status_code == 200, path
        assert not re.search(r"b-1\b|credit_card|presented|amount_due", answer.text), path


def test_api4_2023_what_a_request_may_consume_is_bounded(world: World) -> None:
    """Unrestricted Resource Consumption: bodies, pages and tokens have limits, and made-up keys fetch nothing."""
    big = world.http.post(
        f"{world.stack.addresses.services['orders']}/orders",
        content=b" " * (MAX_BODY_BYTES + 1),
        headers=world.minter.bearer("buyer", "b-1"),
    )
    assert (big.status_code, big.json()["code"]) == (413, "too_large")
    for service, path in [
        ("orders", "/orders"), ("disputes", "/disputes"), ("identity", "/appeals"), ("escrow", "/operator-queue"),
        ("escrow", "/overdue"), ("escrow", "/dead-letters"),
    ]:  # fmt: skip
        for limit in ("0", "-1", "1000000", "all"):
            answer = world.ask("operator:op-1", service, "GET", f"{path}?limit={limit}")
            assert answer.status_code == 422, (path, limit)
    long = world.ask("", "orders", "GET", "/orders", authorization="Bearer " + "x" * 9000)
    assert (long.status_code, long.json()["code"]) == (401, "invalid_token")


FUNCTIONS = [
    ("escrow", "GET", "/money/proof", {"operator", "support", "service"}),
    ("escrow", "GET", "/operator-queue", {"operator", "support", "service"}),
    ("escrow", "GET", "/overdue", {"operator", "support", "service"}),
    ("deposits", "GET", "/money/proof", {"operator", "support", "service"}),
    ("identity", "GET", "/appeals", {"operator", "support", "service", "reviewer"}),
    ("escrow", "POST", "/reconciliations", {"operator", "service"}),
    ("deposits", "GET", "/reconciliations/{day}", {"operator", "service"}),
    ("orders", "GET", "/dead-letters", {"operator"}),
    ("escrow", "POST", "/escrow/{order_id}/operations/{operation_id}/retry", {"operator"}),
    ("escrow", "POST", "/escrow/{order_id}/operations/{operation_id}/result", {"operator"}),
    ("deposits", "POST", "/deposits/{seller_id}/suspension", {"operator"}),
    ("deposits", "POST", "/deposits/{seller_id}/reinstatement", {"operator"}),
    ("identity", "POST", "/accounts/{person_id}/appeals/{appeal_id}/verification", {"reviewer"}),
    ("identity", "POST", "/accounts/{person_id}/appeals/{appeal_id}/rejection", {"reviewer"}),
    ("orders", "POST", "/dead-letters/{key}/replay", {"operator"}),
    ("orders", "POST", "/dead-letters/{key}/discard", {"operator"}),
]
ROLES = {"buyer", "seller", "mediator", "reviewer", "support", "operator", "service"}


@pytest.mark.parametrize(("service", "method", "path", "roles"), FUNCTIONS, ids=lambda value: str(value)[:60])
def test_api5_2023_functions_are_for_their_roles(
    world: World, service: str, method: str, path: str, roles: set[str]
) -> None:
    """Broken Function Level Authorization. Ids that are not there: who may ask gets past the right, to the 404."""
    for role in sorted(ROLES):
        body = BODIES[path] if method == "POST" else None
        answer = world.ask(f"{role}:x-1", service, method, fill(path, NOWHERE), body)
        code = answer.json().get("code") if answer.is_error else None
        assert (code == "forbidden") is (role not in roles), f"{role}: {answer.status_code} {answer.text}"
        assert answer.status_code != 403 or code == "forbidden"


def test_api5_2023_a_role_is_in_the_token_not_in_the_request(world: World) -> None:
    two = {"authorization": f"Bearer {world.minter.token(['buyer', 'seller'], 'b-1')}"}
    for role in ("operator", "service", "mediator"):
        answer = world.ask("", "escrow", "GET", "/money/proof", **two, **{"holdfast-role": role})
        assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
    assert world.ask("", "orders", "GET", "/orders/o-1", **two).json()["code"] == "forbidden"
    assert world.ask("", "orders", "GET", "/orders/o-1", **two, **{"holdfast-role": "buyer"}).status_code == 200
    assert world.ask("", "orders", "GET", "/orders/o-1", **two, **{"holdfast-role": "seller"}).status_code == 404


def test_api6_2023_nobody_decides_in_their_own_matter(world: World) -> None:
    """Unrestricted Access to Sensitive Business Flows: rulings and appeals move money, so never by who gains by it."""
    ruling = BODIES["/disputes/{dispute_id}/ruling"]
    for party in ("mediator:b-1", "mediator:s-1", "buyer:b-1", "seller:s-1", "support:x-1", "operator:x-1"):
        answer = world.ask(party, "disputes", "POST", "/disputes/d-1/ruling", ruling)
        assert (answer.status_code, answer.json()["code"]) == (403, "forbidden"), party
    own = world.ask("reviewer:b-1", "identity", "POST", "/accounts/b-1/appeals/a-1/verification", {})
    assert (own.status_code, own.json()["code"]) == (403, "forbidden")
    # nobody buys from themselves, and nobody buys in another's name
    from_self = placing("o-self", "s-1", 5_000)
    assert world.ask("buyer:s-1", "orders", "POST", "/orders", from_self).json()["code"] == "invalid_parties"
    in_name = world.ask("buyer:b-2", "orders", "POST", "/orders", placing("o-stolen", "b-1", 5_000))
    assert in_name.json()["code"] == "forbidden"
    # an order that was stopped stays stopped until a reviewer lets it go on
    early = world.ask("seller:s-1", "orders", "POST", "/orders/o-large/shipment", PARCEL)
    assert (early.status_code, early.json()["code"]) == (409, "funds_not_secured")


def test_api7_2023_no_request_makes_a_service_fetch_an_address(world: World) -> None:
    """Server Side Request Forgery: what a token's head says of where keys are is not followed."""
    with listening() as (address, heard):
        key = new_key()
        claims = {"iss": address, "aud": "holdfast", "sub": "op-1", "iat": 0, "exp": 2**33}
        for head in ({"jku": f"{address}/jwks.json"}, {"x5u": f"{address}/cert"}, {"kid": f"{address}/key"}):
            named = {"kid": key["kid"]} | head
            token = jwt.encode(claims, jwt.PyJWK(key, "EdDSA").key, algorithm="EdDSA", headers=named)
            for service in SERVICES:
                answer = world.ask("", service, "GET", "/dead-letters", authorization=f"Bearer {token}")
                assert answer.json()["code"] == "invalid_token"
        assert httpx.get(f"{address}/heard").status_code == 200
        assert heard() == ["GET /heard HTTP/1.1"]


@contextmanager
def listening() -> Iterator[tuple[str, Any]]:
    """A web server, and what it was asked."""
    program = (
        "import http.server, sys\n"
        "class H(http.server.SimpleHTTPRequestHandler):\n"
        "    def do_GET(self): print(self.requestline, flush=True); self.send_response(200); self.end_headers()\n"
        "    def log_message(self, *_): pass\n"
        "server = http.server.HTTPServer(('127.0.0.1', 0), H)\n"
        "print(server.server_port, flush=True)\n"
        "server.serve_forever()\n"
    )
    process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    assert process.stdout
    out = process.stdout
    try:
        port = int(out.readline())

        def heard() -> list[str]:
            process.terminate()
            return [line.strip() for line in out.readlines()]

        yield f"http://127.0.0.1:{port}", heard
    finally:
        process.terminate()
        process.wait()


def test_api8_2023_production_has_no_toys_and_faults_tell_nothing(world: World) -> None:
    """Security Misconfiguration: what helps in development refuses to run in production, and no answer tells of
    versions, paths or traces."""
    settings = {
        "HOLDFAST_DATABASE_URL": "postgresql://nobody@127.0.0.1:1/x",
        "HOLDFAST_KAFKA_BOOTSTRAP": "127.0.0.1:1",
        "HOLDFAST_ENVIRONMENT": "production",
        "HOLDFAST_PORT": str(free_port()),
    }
    for module, more in [
        ("orders", {}),
        ("orders", environment_of_tokens()),
        ("orders", {"HOLDFAST_OIDC_ISSUER": "http://id.example.org"}),
        ("simulators.issuer", {}),
    ]:
        ended = subprocess.run(
            [sys.executable, "-m", module],
            env=clean_environment() | settings | more,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert ended.returncode != 0, module
        assert "production" in ended.stderr or "development" in ended.stderr, ended.stderr
    for service in SERVICES:
        for path in ("/docs", "/redoc", "/nowhere", "/orders/%00", "/debug"):
            answer = world.ask("operator:op-1", service, "GET", path)
            assert answer.status_code in (404, 422), path
            assert "Traceback" not in answer.text and "server" not in answer.headers
            assert "access-control-allow-origin" not in answer.headers


def clean_environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("HOLDFAST_")}


def test_api9_2023_everything_offered_is_described_and_everything_described_is_guarded(world: World) -> None:
    """Improper Inventory Management: the description is the inventory, and it says which routes need a token."""
    for service, description in world.descriptions.items():
        described = set(description["paths"])
        assert described >= OPEN_TO_ALL, service
        assert described - OPEN_TO_ALL - DEVELOPMENT_ONLY
        for path in OPEN_TO_ALL - {"/webhooks"}:
            assert world.ask("", service, "GET", path).status_code == 200, path
    unknown = [path for _, method, path in world.routes(reads=False) if method == "POST" and path not in BODIES]
    assert not unknown, f"tell BODIES what to ask of {unknown}"


def test_api10_2023_an_issuer_that_misbehaves_is_not_believed_and_takes_nothing_down(tmp_path: Path) -> None:
    """Unsafe Consumption of APIs: see also tests/unit/runtime/test_access_keys.py, which lets the issuer send rubbish.
    Here its keys change while a service runs, and it goes away."""
    port = free_port()
    with issuer(tmp_path, port) as address:
        service = verifier(address)
        first = token_of(address, "b-1")
        assert service(first) == "b-1"
        # when the keys change, then new tokens are believed without a restart, and those of before still are
        httpx.post(f"{address}/rotation", json={}).raise_for_status()
        second = token_of(address, "b-2")
        assert service(second) == "b-2" and service(first) == "b-1"
        # when the keys of before are withdrawn, then their tokens go with them
        httpx.post(f"{address}/rotation", json={"withdraw": True}).raise_for_status()
        third = token_of(address, "b-3")
        asyncio.run(eventually_believed(service, third))
        assert service(third) == "b-3"
        assert service(first) == "invalid_token" and service(second) == "invalid_token"
    # while it is away, the keys that are known go on to count, for new tokens too
    assert service(third) == "b-3"
    with issuer(tmp_path, port) as address:
        # it knows its key again after a restart
        assert service(token_of(address, "b-4")) == "b-4"


async def eventually_believed(service: Any, token: str) -> None:
    async def believed() -> bool:
        return bool(await asyncio.to_thread(service, token) == "b-3")

    await eventually(believed, within=UNKNOWN_EVERY * 2)


@contextmanager
def issuer(folder: Path, port: int) -> Iterator[str]:
    """The development issuer as a process, by its address, which is its name, too."""
    address = f"http://127.0.0.1:{port}"
    given = {
        "HOLDFAST_ENVIRONMENT": "test",
        "HOLDFAST_PORT": str(port),
        "HOLDFAST_ISSUER_NAME": address,
        "HOLDFAST_ISSUER_KEYS_FOLDER": str(folder / "issuer"),
    }
    process = subprocess.Popen([sys.executable, "-m", "simulators.issuer"], env=clean_environment() | given)

    async def answers() -> bool:
        assert process.poll() is None
        try:
            async with httpx.AsyncClient() as http:
                return (await http.get(f"{address}/readyz")).status_code == 200
        except httpx.TransportError:
            return False

    try:
        asyncio.run(eventually(answers, within=30))
        yield address
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()


def verifier(address: str) -> Any:
    """What a service does with a token: tells whose it is, or the code of the refusal. It discovers the keys itself."""
    from runtime.access import Access
    from runtime.decision import Refused
    from runtime.settings import Settings

    access = Access.by(
        Settings(
            database_url="postgresql://nobody@nowhere/x",
            kafka_bootstrap="nowhere:1",
            environment="test",
            oidc_issuer=address,
        )
    )
    loop = asyncio.new_event_loop()

    async def whose(token: str) -> str:
        try:
            return (await access.actor(f"Bearer {token}")).id
        except Refused as refused:
            return refused.code

    return lambda token: loop.run_until_complete(whose(token))


def token_of(address: str, id: str) -> str:
    answer = httpx.post(f"{address}/token", json={"id": id, "roles": ["buyer"]})
    answer.raise_for_status()
    return str(answer.json()["access_token"])


def test_the_keys_of_a_stack_are_new_each_time(world: World) -> None:
    (known,) = json.loads((Path(world.stack.addresses.keys) / KEYS).read_text())["keys"]
    assert known["kid"] == world.minter.kid
