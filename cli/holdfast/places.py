"""Folders that are used where none is named."""

import os
from pathlib import Path


def home() -> Path:
    """Where fetched files and servers' data are kept: `$HOLDFAST_HOME`, else `.holdfast` in the project."""
    if chosen := os.environ.get("HOLDFAST_HOME"):
        return Path(chosen).absolute()
    project = Path(__file__).resolve().parents[2]
    return (project if (project / "pyproject.toml").exists() else Path.cwd()) / ".holdfast"
