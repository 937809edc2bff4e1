"""Tokens for tests: keys made once a run, and what services and callers need of them."""

import atexit
import shutil
import tempfile
from functools import cache
from pathlib import Path

from runtime.access import Access
from runtime.issuer_keys import IssuerKeys
from runtime.settings import DEVELOPMENT_ISSUER
from runtime.tokens import KEYS, Minter


@cache
def keys() -> Path:
    """The folder of the run's keys."""
    folder = Path(tempfile.mkdtemp(prefix="holdfast-keys-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    Minter.create(folder, environment="test")
    return folder


@cache
def minter() -> Minter:
    """Signs what services with `environment()` believe."""
    return Minter.load(keys())


def as_actor(text: str) -> dict[str, str]:
    """The header of a request by `role:id`."""
    role, _, id = text.partition(":")
    return minter().bearer(role, id)


def keys_file() -> Path:
    """The setting `oidc_keys_file` of a service that believes these tokens."""
    return keys() / KEYS


def environment() -> dict[str, str]:
    """Likewise, for the environment of a process."""
    return {"HOLDFAST_OIDC_KEYS_FILE": str(keys_file())}


def access() -> Access:
    """For an app that is put together by hand: `app.state.access`."""
    return Access(IssuerKeys(keys_file().read_bytes), DEVELOPMENT_ISSUER, "holdfast")
