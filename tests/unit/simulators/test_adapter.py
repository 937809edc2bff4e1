"""The adapter before the provider's HTTP: a call without answer is looked up before it is made again (P4, E9)."""

from datetime import UTC, datetime

import httpx
import msgspec
import pytest
from pydantic import SecretStr

from contracts.envelope import encode, read
from contracts.message import Actor, Message, Role
from contracts.payments import CommandRefused
from runtime.outbox import OutboxRow
from simulators.forgeries import Tally
from simulators.payments.adapter import Adapter, CallFailed
from simulators.payments.service import over_http
from tests.folding import Folding
from tests.unit.simulators.test_payments import collect, pay_out, query, refund
from tests.unit.simulators.test_webhooks import Elsewhere

NOW = datetime(2025, 5, 17, 9, 30, tzinfo=UTC)
KEY = SecretStr("key-of-the-provider")


def row(command: Message, number: int = 1) -> OutboxRow:
    topic, key, headers, value = encode(
        command, id=f"id-{number}", source="/payments", time=NOW, correlation_id="o1", causation_id="c", sequence=1
    )
    return OutboxRow(number, topic, key, headers, value)


class Provider:
    """Answers with what `behave` says for the n-th call: a status, or an exception to raise."""

    def __init__(self, *behave: int | type[httpx.TransportError]) -> None:
        self.calls: list[tuple[str, str]] = []
        self.bodies: list[dict[str, object]] = []
        self._behave = list(behave)

    def _answer(self, request: httpx.Request) -> httpx.Response:
        assert request.headers["authorization"] == f"Bearer {KEY.get_secret_value()}"
        self.calls.append((request.method, request.url.path))
        if request.content:
            self.bodies.append(msgspec.json.decode(request.content))
        what = self._behave.pop(0) if self._behave else 202
        if isinstance(what, int):
            return httpx.Response(what, json={"code": "operation_differs", "detail": "use a new one"})
        raise what("cut", request=request)

    def adapter(self) -> tuple[Adapter, Elsewhere, Tally]:
        elsewhere, tally = Elsewhere(), Tally()
        adapter = Adapter("http://provider", KEY, 1, elsewhere, tally)
        adapter._http = httpx.AsyncClient(
            transport=httpx.MockTransport(self._answer), base_url="http://provider", headers=adapter._http.headers
        )
        return adapter, elsewhere, tally


@pytest.mark.parametrize(
    ("command", "path"),
    [
        (collect(), "/v1/payments"),
        (refund(), "/v1/refunds"),
        (pay_out(), "/v1/payouts"),
        (query("pay-o1-1"), "/v1/operations/pay-o1-1/query"),
    ],
)
async def test_each_command_has_its_path_and_nobody_s_name_goes_along(command: Message, path: str) -> None:
    provider = Provider()
    adapter, elsewhere, _ = provider.adapter()
    await adapter.send([row(command)])
    assert provider.calls == [("POST", path)] and elsewhere.rows == []
    assert provider.bodies[0]["reference"] == "o1" and "actor" not in provider.bodies[0]


async def test_what_is_no_command_goes_elsewhere() -> None:
    provider = Provider()
    adapter, elsewhere, _ = provider.adapter()
    event = row(collect())._replace(topic="payments.events.v1")
    await adapter.send([event])
    assert elsewhere.rows == [event] and provider.calls == []


@pytest.mark.parametrize("silence", [httpx.ReadTimeout, httpx.RemoteProtocolError, 500, 503])
async def test_a_call_without_answer_is_looked_up_and_not_made_again_where_it_was_heard(
    silence: int | type[httpx.TransportError],
) -> None:
    provider = Provider(silence, 200)
    adapter, elsewhere, tally = provider.adapter()
    await adapter.send([row(refund())])
    assert provider.calls == [("POST", "/v1/refunds"), ("GET", "/v1/operations/refund-o1-1")]
    assert elsewhere.rows == [] and tally.told()["sent"] == {"calls_unanswered": 1, "calls_looked_up": 1}


async def test_a_call_that_was_never_heard_is_made_again_under_the_same_name() -> None:
    provider = Provider(httpx.ReadTimeout, 404, 202)
    adapter, _, _ = provider.adapter()
    await adapter.send([row(refund())])
    assert [method for method, _ in provider.calls] == ["POST", "GET", "POST"]
    assert provider.bodies[0] == provider.bodies[1]


async def test_what_stays_unknown_is_left_to_whoever_asked() -> None:
    provider = Provider(*[httpx.ReadTimeout] * 9)
    adapter, elsewhere, _ = provider.adapter()
    await adapter.send([row(refund())])
    assert len(provider.calls) == 2 and elsewhere.rows == []


@pytest.mark.parametrize("away", [httpx.ConnectError, httpx.ConnectTimeout, 401, 429])
async def test_a_provider_that_takes_nothing_keeps_the_command_in_the_outbox(
    away: int | type[httpx.TransportError],
) -> None:
    adapter, _, _ = Provider(away).adapter()
    with pytest.raises(CallFailed) as failed:
        await adapter.send([row(refund())])
    assert KEY.get_secret_value() not in str(failed.value)


async def test_what_the_provider_refuses_is_told_as_the_port_tells_it() -> None:
    adapter, elsewhere, _ = Provider(409).adapter()
    await adapter.send([row(refund())])
    (told,) = elsewhere.rows
    envelope = read(told.headers, told.key, told.value)
    refused = CommandRefused.model_validate_json(envelope.data)
    assert (told.topic, refused.code, refused.command_id, refused.subject) == (
        "payments.events.v1",
        "operation_differs",
        "c",
        "o1",
    )


def test_every_command_is_carried_on_as_it_is_as_often_as_it_comes() -> None:
    folding = Folding(over_http(), NOW)
    for command in (collect(), collect(), query("pay-o1-1")):
        assert folding.tell(command) == [command]
    assert folding.state("calls", "pay-o1-1").times == 3
    assert folding.state("operations", "pay-o1-1") is None


def test_only_services_are_lent_the_key() -> None:
    stranger = Actor(id="b-1", role=Role.BUYER)
    assert Folding(over_http(), NOW).refuses(refund().model_copy(update={"actor": stranger})) == "forbidden"
