"""Secrets of webhooks for tests: what receivers are given, and bodies signed as the simulators do."""

import time
from collections.abc import Mapping
from uuid import uuid4

from runtime.signatures import key_of, new_secret, sign

SECRETS = {sender: new_secret() for sender in ("payments", "carrier")}
SENDERS = " ".join(f"{sender}={secret}" for sender, secret in SECRETS.items())
"""The setting `webhook_secrets` of a service that believes both simulators."""


def signed(content: bytes | str, sender: str = "carrier", *, id: str = "", age: int = 0) -> Mapping[str, str]:
    """The headers of a body sent `age` seconds ago."""
    body = content if isinstance(content, bytes) else content.encode()
    return sign([key_of(SECRETS[sender])], id or f"msg_{uuid4().hex}", int(time.time()) - age, body)
