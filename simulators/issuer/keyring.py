"""The issuer's keys: one that signs, and those that are published so that what they signed goes on to count."""

import json
import os
from pathlib import Path
from typing import Any

from runtime.tokens import SIGNING_KEY, Minter, new_key, public, write_keys


class Keyring:
    """Keys in memory, and in `folder` where there is one, so that a restart knows the signing key again. Where the
    folder may only be read, a restart begins with its key, whatever came after it."""

    def __init__(self, folder: Path | None, issuer: str, audience: str) -> None:
        self.issuer, self.audience = issuer, audience
        self._folder = folder if folder and (not folder.exists() or os.access(folder, os.W_OK)) else None
        path = folder / SIGNING_KEY if folder else None
        kept: dict[str, Any] | None = json.loads(path.read_text()) if path and path.exists() else None
        self._signing = kept or new_key()
        self._published = [public(self._signing)]
        self.minter = Minter(self._signing, issuer=issuer, audience=audience)
        if folder and not kept:
            self._keep()

    @property
    def jwks(self) -> dict[str, Any]:
        """What verifiers need."""
        return {"keys": self._published}

    def rotate(self, *, withdraw: bool) -> str:
        """A new key signs from now on; returns its `kid`. Earlier ones stay published unless `withdraw`."""
        self._signing = new_key()
        self._published = [public(self._signing), *([] if withdraw else self._published)]
        self.minter = Minter(self._signing, issuer=self.issuer, audience=self.audience)
        self._keep()
        return self.minter.kid

    def _keep(self) -> None:
        if self._folder:
            write_keys(self._folder, self._signing, self._published)
