"""Wiring of the orders service."""

from pathlib import Path

import runtime
from orders.api import API
from orders.service import SERVICE
from runtime.app import serve


def main() -> None:
    """Runs the service until it is told to stop."""
    serve(SERVICE, API, migrations=(runtime.MIGRATIONS, Path(__file__).parent / "migrations"))
