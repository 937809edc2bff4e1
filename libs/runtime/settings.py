"""Settings of a service, from `HOLDFAST_…` environment variables; any of them may come from a file by `…_FILE`."""

import os
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, SecretStr, model_validator
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

PREFIX = "HOLDFAST_"


class _FromFiles(PydanticBaseSettingsSource):
    """`HOLDFAST_DATABASE_URL_FILE=PATH` reads the value from that file, so secrets stay out of the environment."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        path = os.environ.get(f"{PREFIX}{field_name.upper()}_FILE")
        return (Path(path).read_text().strip() if path else None), field_name, False

    def __call__(self) -> dict[str, Any]:
        values = {name: self.get_field_value(field, name)[0] for name, field in self.settings_cls.model_fields.items()}
        return {name: value for name, value in values.items() if value is not None}


class Settings(BaseSettings):
    """One service's settings. Times are seconds."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="ignore", frozen=True)

    database_url: SecretStr
    kafka_bootstrap: str = Field(description="host:port, several separated by commas")
    environment: Literal["development", "test", "production"] = "production"
    clock: str = Field(default="real", description="'real', or 'virtual:PATH' outside production")
    host: str = "127.0.0.1"
    port: int = 8200
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    migrate: bool = Field(default=True, description="apply migrations at start")

    batch_max: int = Field(default=500, ge=1, le=5_000, description="most messages in one transaction")
    intake_max: int = Field(default=2_000, ge=1, description="most HTTP commands waiting at once; more are told 503")
    http_wait: float = Field(default=10, gt=0, description="how long an HTTP command waits for its transaction")
    retry_for: float = Field(
        default=90, gt=0, description="how long a Kafka batch is retried before it is fetched anew"
    )
    timer_poll: float = Field(default=0.25, gt=0, description="how often due timers are looked for")
    relay_max: int = Field(default=2_000, ge=1, le=10_000, description="most outbox rows sent in one go")
    session_timeout: float = Field(
        default=10, ge=1, description="after this silence Kafka gives a replica's share away"
    )
    poll_interval: float = Field(default=300, ge=10, description="Kafka's limit between two polls of a consumer")

    @model_validator(mode="after")
    def _no_toys_in_production(self) -> "Settings":
        if self.environment == "production" and self.clock != "real":
            raise ValueError("the virtual clock is for development and tests; set HOLDFAST_ENVIRONMENT accordingly")
        if self.retry_for >= self.poll_interval:
            raise ValueError("retry_for must stay below poll_interval, or Kafka takes the partitions away mid-batch")
        return self

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, env_settings, _FromFiles(settings_cls)
