"""How a service runs: the one path that every change of state takes. Knows no domain."""

from pathlib import Path

MIGRATIONS = Path(__file__).parent / "migrations"
