"""Signatures of webhooks: what others sign after Standard Webhooks is taken, whatever else is tried is refused (X2)."""

from base64 import b64encode
from collections.abc import Mapping
from datetime import UTC, datetime

import pytest
from pydantic import ValidationError
from standardwebhooks import Webhook

from runtime.decision import Refused
from runtime.settings import Settings
from runtime.signatures import (
    REMEMBERED,
    TOLERANCE,
    BadSecret,
    Keys,
    Replays,
    Signed,
    key_of,
    keys_of,
    new_secret,
    sign,
    signing_keys,
    verify,
)

NOW = 1_750_000_000
BODY = '{"id": "e-1", "grüße": "✓"}'.encode()
OLD, NEW, CARRIER, STRANGER = (f"whsec_{b64encode(bytes([n]) * 32).decode()}" for n in (1, 2, 3, 4))
KEYS = keys_of(f"payments={OLD}, payments={NEW}\ncarrier={CARRIER}")


def signed(*secrets: str, id: str = "msg_1", at: int = NOW, body: bytes = BODY) -> dict[str, str]:
    return sign([key_of(secret) for secret in secrets], id, at, body)


def refused(headers: Mapping[str, str], body: bytes = BODY, now: float = NOW, keys: Keys = KEYS) -> str:
    with pytest.raises(Refused) as refusal:
        verify(keys, headers, body, now)
    return refusal.value.code


@pytest.mark.parametrize(("secret", "sender"), [(OLD, "payments"), (NEW, "payments"), (CARRIER, "carrier")])
def test_each_sender_is_known_by_any_of_its_secrets(secret: str, sender: str) -> None:
    webhook = verify(KEYS, signed(secret), BODY, NOW)
    assert (webhook.id, webhook.sender) == ("msg_1", sender)


def test_a_sender_that_rotates_signs_with_both_and_one_that_is_known_will_do() -> None:
    assert verify(keys_of(f"payments={NEW}"), signed(OLD, NEW), BODY, NOW).sender == "payments"
    assert verify(keys_of(f"payments={OLD}"), signed(OLD, NEW), BODY, NOW).sender == "payments"


def test_what_the_reference_implementation_signs_is_taken_and_it_takes_what_is_signed_here() -> None:
    now = datetime.now(UTC)
    at = int(now.timestamp())
    theirs = {
        "webhook-id": "msg_2",
        "webhook-timestamp": str(at),
        "webhook-signature": Webhook(NEW).sign("msg_2", now, BODY.decode()),
    }
    assert verify(KEYS, theirs, BODY, at).sender == "payments"
    assert Webhook(NEW).verify(BODY, signed(OLD, NEW, at=at)) == {"id": "e-1", "grüße": "✓"}


@pytest.mark.parametrize("missing", ["webhook-id", "webhook-timestamp", "webhook-signature"])
@pytest.mark.parametrize("empty", [True, False])
def test_without_one_of_the_headers_it_is_unsigned(missing: str, empty: bool) -> None:
    rest = {name: value for name, value in signed(NEW).items() if name != missing}
    assert refused(rest | {missing: ""} if empty else rest) == "webhook_unsigned"


@pytest.mark.parametrize(
    "changed",
    [
        {"webhook-id": "msg.1"},
        {"webhook-id": "x" * 257},
        {"webhook-id": "mßg"},
        {"webhook-timestamp": "now"},
        {"webhook-timestamp": "-5"},
        {"webhook-timestamp": "1e9"},
        {"webhook-timestamp": f"{NOW}.5"},
        {"webhook-timestamp": f"0{NOW}"},
        {"webhook-timestamp": "9" * 5000},
        {"webhook-timestamp": "١٢٣"},
    ],
)
def test_headers_that_the_standard_does_not_have_are_unsigned_too(changed: dict[str, str]) -> None:
    assert refused(signed(NEW) | changed) == "webhook_unsigned"


@pytest.mark.parametrize(
    "changed",
    [
        {"webhook-id": "msg_2"},
        {"webhook-timestamp": str(NOW + 1)},
        {"webhook-signature": "v1,"},
        {"webhook-signature": "v1"},
        {"webhook-signature": "v1,%%%"},
        {"webhook-signature": "v1,\u00df"},
        {"webhook-signature": ", , ,"},
        {"webhook-signature": "v1a," + signed(NEW)["webhook-signature"][3:]},
        {"webhook-signature": signed(NEW)["webhook-signature"][:-4]},
        {"webhook-signature": " ".join(["v1,AAAA"] * 400) + " " + signed(NEW)["webhook-signature"]},
    ],
)
def test_whatever_is_changed_it_is_forged(changed: dict[str, str]) -> None:
    assert refused(signed(NEW) | changed) == "webhook_forged"


def test_another_body_or_a_secret_of_nobody_is_forged() -> None:
    assert refused(signed(NEW), body=BODY + b" ") == "webhook_forged"
    assert refused(signed(NEW), body=b"\xff\xfe") == "webhook_forged"
    assert refused(signed(STRANGER)) == "webhook_forged"


@pytest.mark.parametrize("late", [-1, 1])
def test_a_clock_may_be_off_by_five_minutes_and_no_more(late: int) -> None:
    assert verify(KEYS, signed(NEW, at=NOW + late * TOLERANCE), BODY, NOW)
    assert refused(signed(NEW, at=NOW + late * (TOLERANCE + 1))) == "webhook_out_of_time"


def test_age_is_told_only_to_those_who_can_sign() -> None:
    assert refused(signed(STRANGER, at=NOW - 10_000)) == "webhook_forged"


def test_without_secrets_nothing_is_taken() -> None:
    assert refused(signed(NEW), keys=keys_of("")) == "webhooks_not_configured"
    assert refused({}, keys=Keys()) == "webhooks_not_configured"


def test_a_webhook_is_remembered_while_its_timestamp_would_be_taken() -> None:
    replays, webhook = Replays(), Signed("msg_1", "payments", b"digest")
    assert not replays.has(webhook, NOW)
    replays.add(webhook, NOW)
    assert replays.has(webhook, NOW + 2 * TOLERANCE)
    assert not replays.has(webhook, NOW + 2 * TOLERANCE + 1)


def test_one_id_stands_for_one_body_of_one_sender() -> None:
    replays = Replays()
    replays.add(Signed("msg_1", "payments", b"digest"), NOW)
    assert not replays.has(Signed("msg_1", "carrier", b"other"), NOW)
    with pytest.raises(Refused) as refusal:
        replays.has(Signed("msg_1", "payments", b"other"), NOW)
    assert refusal.value.code == "webhook_id_reused"


def test_what_is_remembered_has_a_limit() -> None:
    replays = Replays()
    for number in range(REMEMBERED + 1):
        replays.add(Signed(f"msg_{number}", "payments", b""), NOW)
    assert not replays.has(Signed("msg_0", "payments", b""), NOW)
    assert replays.has(Signed("msg_1", "payments", b""), NOW)


def test_secrets_are_made_well_and_differ() -> None:
    assert len(key_of(new_secret())) == 32 and new_secret() != new_secret()
    assert signing_keys(f"{OLD} {NEW}") == (key_of(OLD), key_of(NEW))


@pytest.mark.parametrize(
    "text",
    [
        OLD,
        "payments",
        "payments=",
        "payments=geheim",
        "payments=whsec_%%%%",
        f"payments=whsec_{b64encode(b'x' * 23).decode()}",
        f"payments=whsec_{b64encode(b'x' * 65).decode()}",
        f"={OLD}",
        f"payments={OLD} carrier={OLD}",
    ],
)
def test_a_secret_written_badly_is_refused_at_the_start_and_not_told(text: str) -> None:
    with pytest.raises(BadSecret) as bad:
        keys_of(text)
    with pytest.raises(ValidationError) as refusal:
        Settings(database_url="postgresql://x", kafka_bootstrap="x", environment="test", webhook_secrets=text)
    for told in (str(bad.value), str(refusal.value)):
        assert "geheim" not in told and OLD[6:] not in told and b64encode(b"x" * 23).decode() not in told


def test_secrets_come_from_a_file(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path_factory.mktemp("secrets") / "senders"
    path.write_text(f"payments={OLD}\npayments={NEW}\n")
    monkeypatch.setenv("HOLDFAST_WEBHOOK_SECRETS_FILE", str(path))
    settings = Settings(database_url="postgresql://x", kafka_bootstrap="x", environment="test")
    assert settings.webhook_keys.by_sender == {"payments": (key_of(OLD), key_of(NEW))}
    assert OLD not in repr(settings) and "whsec" not in repr(settings.webhook_keys)
