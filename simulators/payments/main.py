"""Wiring of the provider, and of the adapter that asks it over HTTP."""

from pathlib import Path

import runtime
from runtime.app import serve
from runtime.settings import from_environment
from simulators.forgeries import Tally
from simulators.payments import adapter
from simulators.payments.api import api
from simulators.payments.service import over_http
from simulators.settings import SimulatorSettings
from simulators.webhooks import webhooks


def main() -> None:
    """Runs the provider until it is told to stop."""
    settings = from_environment(SimulatorSettings)
    faults, tally, key = settings.misfortune, Tally(), settings.provider_key
    url = str(settings.provider_url) if settings.provider_url else None
    sender = adapter.over_http(key, url, settings.provider_timeout, webhooks(settings, tally), tally)
    migrations = (runtime.MIGRATIONS, Path(__file__).parent / "migrations")
    serve(over_http(faults), api(faults, tally, key), migrations=migrations, sender=sender)
