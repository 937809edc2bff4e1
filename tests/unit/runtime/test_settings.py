"""Settings come from the environment, secrets from files where wanted, and toys stay out of production."""

import os
from pathlib import Path

import pytest
from pydantic import ValidationError

from runtime.provision import ProvisionSettings
from runtime.settings import Settings, from_environment

DATABASE = "postgresql://toy:secret@127.0.0.1:5432/toy"


@pytest.fixture(autouse=True)
def addresses_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("HOLDFAST_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOLDFAST_DATABASE_URL", DATABASE)
    monkeypatch.setenv("HOLDFAST_KAFKA_BOOTSTRAP", "127.0.0.1:9092")
    monkeypatch.setenv("HOLDFAST_OIDC_ISSUER", "https://id.example.org")


def test_the_environment_gives_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOLDFAST_BATCH_MAX", "100")
    settings = Settings()
    assert settings.database_url.get_secret_value() == DATABASE
    assert (settings.kafka_bootstrap, settings.batch_max, settings.clock) == ("127.0.0.1:9092", 100, "real")


def test_nothing_said_is_production() -> None:
    assert Settings().environment == "production"


def test_a_secret_is_never_shown() -> None:
    assert ":secret@" not in repr(Settings()) and ":secret@" not in str(Settings().model_dump())


def test_any_setting_may_come_from_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "url").write_text(f"{DATABASE}-from-file\n")
    (tmp_path / "port").write_text("8300\n")
    monkeypatch.delenv("HOLDFAST_DATABASE_URL")
    monkeypatch.setenv("HOLDFAST_DATABASE_URL_FILE", str(tmp_path / "url"))
    monkeypatch.setenv("HOLDFAST_PORT_FILE", str(tmp_path / "port"))
    settings = Settings()
    assert (settings.database_url.get_secret_value(), settings.port) == (f"{DATABASE}-from-file", 8300)


def test_what_the_environment_says_itself_goes_over_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "url").write_text("postgresql://other")
    monkeypatch.setenv("HOLDFAST_DATABASE_URL_FILE", str(tmp_path / "url"))
    assert Settings().database_url.get_secret_value() == DATABASE


def test_a_file_that_is_not_there_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOLDFAST_DATABASE_URL_FILE", "/nowhere/url")
    with pytest.raises(FileNotFoundError):
        Settings()


@pytest.mark.parametrize("missing", ["HOLDFAST_DATABASE_URL", "HOLDFAST_KAFKA_BOOTSTRAP"])
def test_addresses_must_be_given(monkeypatch: pytest.MonkeyPatch, missing: str) -> None:
    monkeypatch.delenv(missing)
    with pytest.raises(ValidationError, match=missing.removeprefix("HOLDFAST_").lower()):
        Settings()


@pytest.mark.parametrize("environment", ["development", "test", "production"])
def test_the_virtual_clock_is_refused_in_production(monkeypatch: pytest.MonkeyPatch, environment: str) -> None:
    monkeypatch.setenv("HOLDFAST_ENVIRONMENT", environment)
    monkeypatch.setenv("HOLDFAST_CLOCK", "virtual:/tmp/clock")
    if environment == "production":
        with pytest.raises(ValidationError, match="virtual clock is for development"):
            Settings()
    else:
        assert Settings().clock == "virtual:/tmp/clock"


def test_a_batch_is_given_up_before_the_consumer_is_thrown_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOLDFAST_POLL_INTERVAL", "60")
    with pytest.raises(ValidationError, match="retry_for must stay below poll_interval"):
        Settings()
    monkeypatch.setenv("HOLDFAST_RETRY_FOR", "40")
    assert Settings().retry_for == 40


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ENVIRONMENT", "staging"),
        ("LOG_LEVEL", "loud"),
        ("BATCH_MAX", "0"),
        ("INTAKE_MAX", "0"),
        ("HTTP_WAIT", "0"),
        ("POLL_INTERVAL", "5"),
        ("SESSION_TIMEOUT", "0.5"),
        ("RELAY_MAX", "many"),
    ],
)
def test_values_out_of_bounds_are_refused(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(f"HOLDFAST_{name}", value)
    with pytest.raises(ValidationError, match=name.lower()):
        Settings()


def test_a_process_with_wrong_settings_ends_with_a_line_for_each(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOLDFAST_KAFKA_PARTITIONS", "0")
    monkeypatch.setenv("HOLDFAST_KAFKA_REPLICATION", "s3cret")
    with pytest.raises(SystemExit) as ended:
        from_environment(ProvisionSettings)
    partitions, replication = str(ended.value).splitlines()
    assert partitions == "HOLDFAST_KAFKA_PARTITIONS: Input should be greater than or equal to 1"
    assert replication.startswith("HOLDFAST_KAFKA_REPLICATION: ")
    assert "s3cret" not in replication
    monkeypatch.setenv("HOLDFAST_KAFKA_SECURITY_PROTOCOL", "SASL_SSL")
    monkeypatch.delenv("HOLDFAST_KAFKA_PARTITIONS")
    monkeypatch.delenv("HOLDFAST_KAFKA_REPLICATION")
    with pytest.raises(SystemExit, match=r"settings: .*kafka_username and kafka_password"):
        from_environment(ProvisionSettings)
