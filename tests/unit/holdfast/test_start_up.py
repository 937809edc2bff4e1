"""A verb imports what it uses and no more: what it does not need takes longer to import than most verbs take to run."""

import subprocess
import sys

import pytest

SERVERS = frozenset({"asyncpg", "fastapi", "faststream", "opentelemetry", "prometheus_client", "psutil", "uvicorn"})
"""What services run on."""
SIGNING = frozenset({"cryptography", "jwt"})
"""Needed when a verb really asks."""
OTHERS = frozenset({"disputes", "deposits", "escrow", "identity", "orders", "simulators"})
KAFKA, HTTP, MESSAGES = frozenset({"aiokafka"}), frozenset({"httpx"}), frozenset({"contracts"})

NEVER = SERVERS | SIGNING | OTHERS

CALL = """
import sys
from holdfast.cli import app
try:
    app(sys.argv[1:])
finally:
    print(*{name.partition(".")[0] for name in sys.modules}, file=sys.stderr)
"""


@pytest.mark.parametrize(
    ("verb", "spared"),
    [
        ("", NEVER | KAFKA | HTTP | MESSAGES),
        ("order", NEVER | KAFKA | HTTP | MESSAGES),
        ("order show", NEVER | KAFKA),
        ("saga stuck", NEVER | KAFKA),
        ("operations retry", NEVER | KAFKA),
        ("dlq list", NEVER | KAFKA),
        ("token", NEVER | KAFKA | HTTP),
        ("clock show", SERVERS | SIGNING | OTHERS | HTTP),
        ("flows", NEVER),
    ],
)
def test_a_verb_imports_what_it_uses_and_no_more(verb: str, spared: frozenset[str]) -> None:
    command = [sys.executable, "-c", CALL, *verb.split(), "--help"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert "Usage:" in done.stdout
    imported = set(done.stderr.split())
    assert "holdfast" in imported
    assert imported & spared == set()
