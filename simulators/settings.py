"""Settings of the simulators alone, from `HOLDFAST_…` or `HOLDFAST_…_FILE`; what they share with the services is in
`runtime.settings`."""

from datetime import timedelta
from pathlib import Path
from secrets import token_urlsafe
from typing import Literal

from pydantic import AnyHttpUrl, Field, SecretStr, field_validator, model_validator

from runtime.settings import DEVELOPMENT_ISSUER, FileSettings
from runtime.signatures import signing_keys
from simulators.carrier.journey import ALL as ALL_OF_PARCELS
from simulators.carrier.journey import FAULTS as PARCEL_FAULTS
from simulators.faults import Faults, parse


class SimulatorSettings(FileSettings):
    """How the outside world behaves, and where it delivers webhooks (the addresses of `POST /webhooks`)."""

    webhook_orders: AnyHttpUrl | None = None
    webhook_escrow: AnyHttpUrl | None = None
    webhook_deposits: AnyHttpUrl | None = None
    webhook_signing_secrets: SecretStr = Field(
        default=SecretStr(""),
        description="whsec_BASE64, several separated by blanks: webhooks are signed with each of them",
    )
    faults: str = Field(default="", description="what goes wrong by itself, a SPEC of simulators.faults such as all")

    provider_url: AnyHttpUrl | None = Field(
        default=None, description="where the adapter asks the provider; unset: in its own process"
    )
    provider_key: SecretStr = Field(
        default_factory=lambda: SecretStr(token_urlsafe(32)),
        description="opens /v1 of the provider; unset: a random one",
    )
    provider_timeout: float = Field(
        default=5, gt=0, description="seconds after which a call of the provider counts as unanswered"
    )

    carrier_delivers_after: float | None = Field(
        default=None, ge=0, description="seconds after which a parcel is delivered by itself; unset: only when told"
    )

    carrier_reports: bool = Field(default=False, description="whether the carrier says where parcels are on their way")
    carrier_faults: str = Field(
        default="", description="what becomes of parcels by itself, a SPEC of simulators.carrier.journey such as all"
    )

    @property
    def delivery_time(self) -> timedelta | None:
        """`carrier_delivers_after` as a span of time."""
        return None if self.carrier_delivers_after is None else timedelta(seconds=self.carrier_delivers_after)

    @property
    def misfortune(self) -> Faults:
        """`faults`, read."""
        return parse(self.faults)

    @property
    def signing_keys(self) -> tuple[bytes, ...]:
        """`webhook_signing_secrets`, ready to sign with."""
        return signing_keys(self.webhook_signing_secrets.get_secret_value())

    @property
    def misfortune_of_parcels(self) -> Faults:
        """`carrier_faults`, read."""
        return parse(self.carrier_faults, PARCEL_FAULTS, ALL_OF_PARCELS)

    @field_validator("faults")
    @classmethod
    def _readable(cls, spec: str) -> str:
        parse(spec)
        return spec

    @field_validator("carrier_faults")
    @classmethod
    def _readable_of_parcels(cls, spec: str) -> str:
        parse(spec, PARCEL_FAULTS, ALL_OF_PARCELS)
        return spec

    @field_validator("webhook_signing_secrets")
    @classmethod
    def _well_written(cls, secrets: SecretStr) -> SecretStr:
        signing_keys(secrets.get_secret_value())
        return secrets

    @model_validator(mode="after")
    def _webhooks_are_signed(self) -> "SimulatorSettings":
        targets = (self.webhook_orders, self.webhook_escrow, self.webhook_deposits)
        if any(targets) and not self.signing_keys:
            raise ValueError("webhooks are signed: set HOLDFAST_WEBHOOK_SIGNING_SECRETS, or no address of a webhook")
        return self


class IssuerSettings(FileSettings):
    """The development issuer's. Nothing said is production, which it refuses."""

    environment: Literal["development", "test", "production"] = "production"
    host: str = "127.0.0.1"
    port: int = 8213
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    oidc_audience: str = "holdfast"
    issuer_name: str = Field(default=DEVELOPMENT_ISSUER, description="the `iss` of its tokens")
    issuer_address: AnyHttpUrl | None = Field(default=None, description="where others reach it; unset: host and port")
    issuer_keys_folder: Path | None = Field(default=None, description="where its keys are kept; unset: in memory")

    @model_validator(mode="after")
    def _for_development(self) -> "IssuerSettings":
        if self.environment == "production":
            raise ValueError(
                "the development issuer gives any token to anybody, so it runs in development and tests alone; "
                "set HOLDFAST_ENVIRONMENT accordingly, or use an issuer of your own"
            )
        return self
