"""`docker compose` on the checkout."""

import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]


def compose(*arguments: str, check: bool = True) -> str:
    """What `docker compose` prints."""
    done = subprocess.run(
        ["docker", "compose", *arguments], cwd=ROOT, text=True, capture_output=True, check=False, timeout=300
    )
    if check and done.returncode:
        raise AssertionError(
            f"docker compose {' '.join(arguments)} ends with {done.returncode}:\n{done.stderr[-3000:]}"
        )
    return done.stdout
