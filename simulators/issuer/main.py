"""Wiring of the development issuer."""

import sys

import uvicorn
from pydantic import ValidationError

from runtime.logs import configure
from simulators.issuer.api import build
from simulators.issuer.keyring import Keyring
from simulators.settings import IssuerSettings


def main() -> None:
    """Runs the issuer until it is told to stop; ends with exit code 2 outside development and tests."""
    try:
        settings = IssuerSettings()
    except ValidationError as error:
        sys.exit(_refused("; ".join(str(detail["msg"]) for detail in error.errors(include_url=False))))
    configure("issuer", settings.log_level)
    app = build(Keyring(settings.issuer_keys_folder, settings.issuer_name, settings.oidc_audience), settings)
    uvicorn.run(app, host=settings.host, port=settings.port, log_config=None, access_log=False, server_header=False)


def _refused(reason: str) -> int:
    print(f"simulators.issuer: {reason}", file=sys.stderr)
    return 2
