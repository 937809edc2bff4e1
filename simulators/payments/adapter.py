"""The port's commands, from Kafka to the provider's HTTP: what a marketplace runs beside a provider without Kafka.

Each command is written down once and carried by the relay, so that a crash loses none. A call that is not answered in
time may have had its effect: the operation is looked up, and only asked for again, under the same id, where the
provider never heard of it. What stays unknown even so is not answered, and the service that asked will ask.
"""

import asyncio
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

import httpx
import msgspec
from pydantic import SecretStr

from contracts.envelope import encode
from contracts.payments import CommandRefused
from runtime.ids import new_id
from runtime.outbox import OutboxRow
from runtime.relay import KafkaSender, Sender
from runtime.settings import Settings
from simulators.forgeries import Tally
from simulators.payments.http_api import PATHS

COMMANDS = "payments.commands.v1"
TRIES = 3
AT_ONCE = 16
_PATH_BY_TYPE = {command.CE_TYPE: path for command, path in PATHS.items()}


class CallFailed(Exception):
    """The provider cannot be reached, or will not have anything of ours; nothing happened. The relay tries again."""


class _Unanswered(Exception):
    """Nobody knows whether it happened."""


class Adapter:
    """Carries commands to the provider at `base`, each answered within `timeout` seconds or looked up; sends all else
    by `otherwise`."""

    def __init__(self, base: str, key: SecretStr, timeout: float, otherwise: Sender, tally: Tally) -> None:
        headers = {"authorization": f"Bearer {key.get_secret_value()}"}
        self._http = httpx.AsyncClient(base_url=base, headers=headers, timeout=timeout, trust_env=False)
        self._otherwise = otherwise
        self._tally = tally
        self._at_once = asyncio.Semaphore(AT_ONCE)

    async def send(self, rows: Sequence[OutboxRow]) -> None:
        """Commands of the same operation one after another, others side by side. Raises `CallFailed`, or what
        `otherwise` raises."""
        calls: dict[bytes, list[OutboxRow]] = {}
        rest = []
        for row in rows:
            if row.topic == COMMANDS:
                calls.setdefault(_operation_of(row).encode(), []).append(row)
            else:
                rest.append(row)
        refusals: list[OutboxRow] = []
        done = await asyncio.gather(*(self._carry(some, refusals) for some in calls.values()), return_exceptions=True)
        for failed in done:
            if failed is not None:
                raise failed
        if rest or refusals:
            await self._otherwise.send([*rest, *refusals])

    async def close(self) -> None:
        """Lets connections go."""
        await self._http.aclose()
        await self._otherwise.close()

    async def _carry(self, rows: Sequence[OutboxRow], refusals: list[OutboxRow]) -> None:
        async with self._at_once:
            for row in rows:
                answer = await self._ask(row)
                if answer is not None and answer.status_code >= 400:
                    refusals.append(_refusal(row, answer))

    async def _ask(self, row: OutboxRow) -> httpx.Response | None:
        """The provider's answer, 2xx or 4xx; None where it is not known what became of the call."""
        body = msgspec.json.decode(row.value)
        del body["actor"]
        path = _PATH_BY_TYPE.get(_header(row, "ce_type"), f"/v1/operations/{body['operation_id']}/query")
        for _ in range(TRIES):
            try:
                return await self._call("POST", path, body)
            except _Unanswered:
                self._tally.count("calls_unanswered")
            try:
                known = await self._call("GET", f"/v1/operations/{body['operation_id']}")
            except _Unanswered:
                return None
            self._tally.count("calls_looked_up")
            if known.status_code != 404:
                return known
        return None

    async def _call(self, method: str, path: str, body: object = None) -> httpx.Response:
        try:
            answer = await self._http.request(method, path, json=body)
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            raise CallFailed(f"the provider cannot be reached: {error!r}") from error
        except httpx.HTTPError as error:
            raise _Unanswered from error
        if answer.status_code >= 500:
            raise _Unanswered
        if answer.status_code in (401, 403, 429):
            raise CallFailed(f"the provider answered {answer.status_code}: {answer.text[:200]}")
        return answer


def over_http(
    key: SecretStr, url: str | None, timeout: float, otherwise: Callable[[Settings, KafkaSender], Sender], tally: Tally
) -> Callable[[Settings, KafkaSender], Sender]:
    """How the simulator makes its sender: with the adapter before the others. Without `url` the provider is this very
    process, spoken to over HTTP all the same."""

    def sender(settings: Settings, kafka: KafkaSender) -> Sender:
        host = "127.0.0.1" if settings.host in ("0.0.0.0", "::") else settings.host
        base = url or f"http://{host}:{settings.port}"
        return Adapter(base, key, timeout, otherwise(settings, kafka), tally)

    return sender


def _refusal(row: OutboxRow, answer: httpx.Response) -> OutboxRow:
    """What the provider will not do, told as the port tells it."""
    told = answer.json()
    refused = CommandRefused(
        subject=row.key.decode(),
        command_id=_header(row, "ce_causationid"),
        command_type=_header(row, "ce_type"),
        code=told["code"],
        reason=told["detail"],
    )
    topic, key, headers, value = encode(
        refused,
        id=new_id(),
        source=_header(row, "ce_source"),
        time=datetime.now(UTC),
        correlation_id=_header(row, "ce_correlationid"),
        causation_id=_header(row, "ce_causationid"),
        sequence=0,
    )
    return OutboxRow(row.id, topic, key, headers, value)


def _operation_of(row: OutboxRow) -> str:
    return str(msgspec.json.decode(row.value)["operation_id"])


def _header(row: OutboxRow, name: str) -> str:
    return next((value for key, value in row.headers if key == name), b"").decode()
