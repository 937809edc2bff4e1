"""Settings of a service, from `HOLDFAST_…` environment variables; any of them may come from a file by `…_FILE`."""

import os
import sys
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from runtime.kafka_access import KafkaAccess, Mechanism, Protocol
from runtime.signatures import Keys, keys_of

PREFIX = "HOLDFAST_"
DEVELOPMENT_ISSUER = "https://development.holdfast.invalid"
"""What the development issuer calls itself. Nobody can own the name, and production does not take it."""
ROLES = "holdfast_roles"
"""The claim of a token that lists the roles of its holder."""


class FromFiles(PydanticBaseSettingsSource):
    """`HOLDFAST_DATABASE_URL_FILE=PATH` reads the value from that file, so secrets stay out of the environment."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        path = os.environ.get(f"{PREFIX}{field_name.upper()}_FILE")
        return (Path(path).read_text().strip() if path else None), field_name, False

    def __call__(self) -> dict[str, Any]:
        values = {name: self.get_field_value(field, name)[0] for name, field in self.settings_cls.model_fields.items()}
        return {name: value for name, value in values.items() if value is not None}


class FileSettings(BaseSettings):
    """Settings from the environment, or by `…_FILE` from files."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="ignore", frozen=True, hide_input_in_errors=True)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, env_settings, FromFiles(settings_cls)


S = TypeVar("S", bound=FileSettings)


def from_environment(kind: type[S]) -> S:
    """The settings of this process. Ends it, with a line a setting that is missing or wrong, where there is one."""
    try:
        return kind()
    except ValidationError as error:
        wrong = error.errors(include_url=False, include_input=False)
    told = [(PREFIX + str(one["loc"][0]).upper() if one["loc"] else "settings", one["msg"]) for one in wrong]
    sys.exit("\n".join(f"{name}: {why}" for name, why in told))


class KafkaSettings(FileSettings):
    """Of whoever is a client of Kafka."""

    kafka_bootstrap: str = Field(description="host:port, several separated by commas")
    kafka_security_protocol: Protocol = Field(
        default="PLAINTEXT",
        description="`PLAINTEXT`, `SSL`, `SASL_PLAINTEXT` or `SASL_SSL`; the last unless the network is all yours",
    )
    kafka_sasl_mechanism: Mechanism = Field(
        default="SCRAM-SHA-512", description="how the password is proved: `SCRAM-SHA-512` or `SCRAM-SHA-256`"
    )
    kafka_username: str = Field(default="", description="the principal that the client comes as, with SASL")
    kafka_password: SecretStr = Field(default=SecretStr(""), description="its password; from a file, best")
    kafka_ca_file: Path | None = Field(
        default=None, description="PEM of the authorities believed with SSL; unset: those of the machine"
    )

    @property
    def kafka_access(self) -> KafkaAccess:
        """How this client gets into Kafka."""
        return KafkaAccess(
            self.kafka_bootstrap,
            self.kafka_security_protocol,
            self.kafka_sasl_mechanism,
            self.kafka_username,
            self.kafka_password.get_secret_value(),
            self.kafka_ca_file,
        )

    @model_validator(mode="after")
    def _comes_as_somebody(self) -> "KafkaSettings":
        if self.kafka_security_protocol.startswith("SASL") and not (
            self.kafka_username and self.kafka_password.get_secret_value()
        ):
            raise ValueError("with SASL a client needs kafka_username and kafka_password")
        return self


def _trustworthy(issuer: str, keys_url: str | None) -> None:
    if issuer == DEVELOPMENT_ISSUER:
        raise ValueError("production does not believe the development issuer; set HOLDFAST_OIDC_ISSUER to your own")
    for address in (issuer, keys_url or issuer):
        if not address.startswith("https://"):
            raise ValueError(f"tokens are believed by what {address!r} says: in production that has to be on https")


class Settings(KafkaSettings):
    """One service's settings. Times are seconds."""

    database_url: SecretStr
    environment: Literal["development", "test", "production"] = "production"
    clock: str = Field(default="real", description="'real', or 'virtual:PATH' outside production")
    host: str = "127.0.0.1"
    port: int = 8200
    oidc_issuer: str = Field(
        default=DEVELOPMENT_ISSUER, description="whose tokens are believed: the `iss` they must have, an https address"
    )
    oidc_audience: str = Field(default="holdfast", min_length=1, description="the `aud` that tokens must have")
    oidc_keys_url: str | None = Field(
        default=None, description="address of the issuer's JWKS; unset: by OpenID Connect Discovery"
    )
    oidc_keys_file: Path | None = Field(default=None, description="file that holds the issuer's JWKS, instead")
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    migrate: bool = Field(default=True, description="apply migrations at start")
    stall_after: float = Field(default=30, gt=0, description="after so long without progress /readyz says so")
    otlp_endpoint: str = Field(
        default="", pattern="^(https?://.+)?$", description="address of an OTLP collector (HTTP); unset: no traces"
    )
    trace_share: float = Field(
        default=0.1, gt=0, le=1, description="which part of the orders has a trace; set the same for all services"
    )

    batch_max: int = Field(
        default=500,
        ge=1,
        le=5_000,
        description="most messages in one transaction; with 1500 a process grows by some 30 MB",
    )
    intake_max: int = Field(default=2_000, ge=1, description="most HTTP commands waiting at once; more are told 503")
    rate_limit_per_second: float = Field(
        default=50, description="requests a second of one caller, by each replica; 0: as many as they like"
    )
    rate_limit_burst: int = Field(default=200, ge=1, description="how many of them may come at once")
    answers_kept_days: int = Field(
        default=400, ge=1, description="how long the answer to a request with an Idempotency-Key is kept"
    )
    http_wait: float = Field(default=10, gt=0, description="how long an HTTP command waits for its transaction")
    retry_for: float = Field(
        default=90, gt=0, description="how long a Kafka batch is retried before it is fetched anew"
    )
    timer_poll: float = Field(default=0.25, gt=0, description="how often due timers are looked for")
    relay_max: int = Field(default=250, ge=1, le=2_000, description="most outbox rows, of 8 kB, sent in one go")
    session_timeout: float = Field(default=6, ge=1, description="after this silence Kafka gives a replica's share away")
    instance: str = Field(
        default="",
        pattern=r"^[A-Za-z0-9._-]{0,100}$",
        description="what this replica of the service, and no other, is called before and after a restart: back within"
        " `session_timeout` it has its share at once; unset: shares are dealt anew whenever a replica comes or goes",
    )
    poll_interval: float = Field(default=300, ge=10, description="Kafka's limit between two polls of a consumer")

    webhook_secrets: SecretStr = Field(
        default=SecretStr(""),
        description="SENDER=whsec_BASE64, several separated by blanks, also of one sender; without any, no webhooks",
    )

    @property
    def webhook_keys(self) -> Keys:
        """`webhook_secrets`, ready to verify with."""
        return keys_of(self.webhook_secrets.get_secret_value())

    @field_validator("rate_limit_per_second")
    @classmethod
    def _once_a_second(cls, per_second: float) -> float:
        if per_second != 0 and not 1 <= per_second <= 1e6:
            raise ValueError("rate_limit_per_second is 0 (no limit) or 1 and more")
        return per_second

    @field_validator("webhook_secrets")
    @classmethod
    def _well_written(cls, secrets: SecretStr) -> SecretStr:
        keys_of(secrets.get_secret_value())
        return secrets

    @model_validator(mode="after")
    def _no_toys_in_production(self) -> "Settings":
        if self.environment == "production" and self.clock != "real":
            raise ValueError("the virtual clock is for development and tests; set HOLDFAST_ENVIRONMENT accordingly")
        if self.environment == "production":
            _trustworthy(self.oidc_issuer, self.oidc_keys_url)
        if self.retry_for >= self.poll_interval:
            raise ValueError("retry_for must stay below poll_interval, or Kafka takes the partitions away mid-batch")
        return self
