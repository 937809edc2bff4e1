"""Wiring of the provider."""

from pathlib import Path

import runtime
from runtime.app import serve
from simulators.payments.api import API
from simulators.payments.operations import Behaviour
from simulators.payments.service import service
from simulators.settings import SimulatorSettings
from simulators.webhooks import webhooks


def main() -> None:
    """Runs the provider until it is told to stop."""
    settings = SimulatorSettings()
    behaviour = Behaviour(settings.payments_seed, settings.payments_decline_basis_points)
    migrations = (runtime.MIGRATIONS, Path(__file__).parent / "migrations")
    serve(service(behaviour), API, migrations=migrations, sender=webhooks(settings))
