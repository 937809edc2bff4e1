"""Wiring of the identity service."""

from pathlib import Path

import runtime
from identity.api import API
from identity.service import SERVICE
from runtime.app import serve


def main() -> None:
    """Runs the service until it is told to stop."""
    serve(SERVICE, API, migrations=(runtime.MIGRATIONS, Path(__file__).parent / "migrations"))
