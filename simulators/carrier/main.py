"""Wiring of the carrier."""

from pathlib import Path

import runtime
from runtime.app import serve
from runtime.settings import from_environment
from simulators.carrier.api import api
from simulators.carrier.service import service
from simulators.forgeries import Tally
from simulators.settings import SimulatorSettings
from simulators.webhooks import webhooks


def main() -> None:
    """Runs the carrier until it is told to stop."""
    settings = from_environment(SimulatorSettings)
    faults, tally = settings.misfortune_of_parcels, Tally()
    carrier = service(settings.delivery_time, settings.carrier_reports, faults)
    migrations = (runtime.MIGRATIONS, Path(__file__).parent / "migrations")
    serve(carrier, api(faults, tally), migrations=migrations, sender=webhooks(settings, tally))
