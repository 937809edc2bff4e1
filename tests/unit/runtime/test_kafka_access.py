"""What clients are given to get into Kafka."""

import ssl
from pathlib import Path

import pytest
from faststream.kafka.security import parse_security
from pydantic import ValidationError

from runtime.kafka_access import KafkaAccess
from runtime.settings import Settings

PLAIN = {"database_url": "postgresql://x", "kafka_bootstrap": "a:9092,b:9092", "environment": "test"}
SASL = {"kafka_username": "escrow", "kafka_password": "s3cret"}


def test_where_anybody_may_come_in_nothing_is_shown() -> None:
    access = Settings(**PLAIN).kafka_access
    assert access.client() == {"bootstrap_servers": ["a:9092", "b:9092"], "security_protocol": "PLAINTEXT"}
    assert access.security() is None


@pytest.mark.parametrize("mechanism", ["SCRAM-SHA-256", "SCRAM-SHA-512"])
@pytest.mark.parametrize("protocol", ["SASL_PLAINTEXT", "SASL_SSL"])
def test_both_clients_come_as_the_same_principal(protocol: str, mechanism: str) -> None:
    given = {"kafka_security_protocol": protocol, "kafka_sasl_mechanism": mechanism}
    access = Settings(**PLAIN, **SASL, **given).kafka_access
    producer, consumer = access.client(), parse_security(access.security())
    for name in ("security_protocol", "sasl_mechanism", "sasl_plain_username", "sasl_plain_password"):
        assert producer[name] == consumer[name], name
    assert (producer["sasl_plain_username"], producer["sasl_plain_password"]) == ("escrow", "s3cret")
    assert ("ssl_context" in producer) == access.encrypted == (protocol == "SASL_SSL")


def test_an_encrypted_line_checks_who_is_at_its_other_end() -> None:
    context = KafkaAccess("a:9092", "SSL").client()["ssl_context"]
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname


@pytest.mark.parametrize("missing", ["kafka_username", "kafka_password"])
def test_sasl_without_a_name_or_password_does_not_start(missing: str) -> None:
    given = {name: value for name, value in SASL.items() if name != missing}
    with pytest.raises(ValidationError, match="kafka_username and kafka_password"):
        Settings(**PLAIN, **given, kafka_security_protocol="SASL_PLAINTEXT")


def test_the_password_may_come_from_a_file_and_is_never_shown(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "password").write_text("s3cret\n")
    monkeypatch.setenv("HOLDFAST_KAFKA_PASSWORD_FILE", str(tmp_path / "password"))
    settings = Settings(**PLAIN, kafka_username="escrow", kafka_security_protocol="SASL_PLAINTEXT")
    assert settings.kafka_access.client()["sasl_plain_password"] == "s3cret"
    assert "s3cret" not in repr(settings) + repr(settings.kafka_access)
