"""Wiring of the deposits service."""

from pathlib import Path

import ledger
import runtime
from deposits.api import API
from deposits.service import SERVICE
from runtime.app import serve


def main() -> None:
    """Runs the service until it is told to stop."""
    serve(SERVICE, API, migrations=(runtime.MIGRATIONS, ledger.MIGRATIONS, Path(__file__).parent / "migrations"))
