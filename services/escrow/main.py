"""Wiring of the escrow service."""

from pathlib import Path

import ledger
import runtime
from escrow.api import API
from escrow.service import SERVICE
from runtime.app import serve


def main() -> None:
    """Runs the service until it is told to stop."""
    serve(SERVICE, API, migrations=(runtime.MIGRATIONS, ledger.MIGRATIONS, Path(__file__).parent / "migrations"))
