"""Wiring of the carrier."""

from pathlib import Path

import runtime
from runtime.app import serve
from simulators.carrier.api import API
from simulators.carrier.service import service
from simulators.settings import SimulatorSettings
from simulators.webhooks import webhooks


def main() -> None:
    """Runs the carrier until it is told to stop."""
    settings = SimulatorSettings()
    migrations = (runtime.MIGRATIONS, Path(__file__).parent / "migrations")
    serve(service(settings.delivery_time), API, migrations=migrations, sender=webhooks(settings))
