"""Settings of the simulators alone, from `HOLDFAST_…`; what they share with the services is in `runtime.settings`."""

from datetime import timedelta

from pydantic import AnyHttpUrl, Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from runtime.settings import PREFIX


class SimulatorSettings(BaseSettings):
    """How the outside world behaves, and where it delivers webhooks (the addresses of `POST /webhooks`)."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="ignore", frozen=True)

    webhook_orders: AnyHttpUrl | None = None
    webhook_escrow: AnyHttpUrl | None = None
    webhook_deposits: AnyHttpUrl | None = None

    carrier_delivers_after: float | None = Field(
        default=None, ge=0, description="seconds after which a parcel is delivered by itself; unset: only when told"
    )
    payments_seed: str = Field(default="holdfast", description="decides which payments are declined at random")
    payments_decline_basis_points: int = Field(
        default=0, ge=0, le=10_000, description="hundredths of a percent of payments that are declined at random"
    )

    @property
    def delivery_time(self) -> timedelta | None:
        """`carrier_delivers_after` as a span of time."""
        return None if self.carrier_delivers_after is None else timedelta(seconds=self.carrier_delivers_after)
