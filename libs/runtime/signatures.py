"""Signatures of webhooks after Standard Webhooks: HMAC-SHA256 over `id.timestamp.body`, in three headers.

Every sender has secrets of its own, several at once while they are rotated: whoever signs signs with all of them, and
one that matches is enough for whoever verifies. Nothing here puts a secret into an error.
"""

import binascii
import hmac
from base64 import b64decode, b64encode
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from secrets import token_bytes

from runtime.decision import Refused

ID, TIMESTAMP, SIGNATURE = "webhook-id", "webhook-timestamp", "webhook-signature"
PREFIX = "whsec_"
MIN_BYTES, MAX_BYTES = 24, 64
"""Of a secret, decoded."""
TOLERANCE = 300
"""Seconds that a webhook's timestamp may differ from the real time here, either way."""
MAX_ID = 256
MAX_DIGITS = 12
"""Of a timestamp in seconds."""
MAX_SIGNATURES = 16
"""More signatures in one header are not looked at."""
REMEMBERED = 100_000


class BadSecret(ValueError):
    """A secret, or a list of them, is not written as it should be. Says where, never what."""


@dataclass(frozen=True, slots=True)
class Keys:
    """What each sender signs with, by the sender's name: that of the topics its events are of."""

    by_sender: Mapping[str, tuple[bytes, ...]] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class Signed:
    """A webhook whose signature is good: its id, who signed it, and the digest of its body."""

    id: str
    sender: str
    digest: bytes


def new_secret() -> str:
    """A fresh secret, `whsec_…`."""
    return PREFIX + b64encode(token_bytes(32)).decode()


def key_of(secret: str) -> bytes:
    """The bytes of `whsec_BASE64`. Raises `BadSecret`."""
    try:
        key = b64decode(secret.removeprefix(PREFIX), validate=True) if secret.startswith(PREFIX) else b""
    except (binascii.Error, ValueError):
        key = b""
    if not MIN_BYTES <= len(key) <= MAX_BYTES:
        raise BadSecret(f"a webhook secret is {PREFIX} and the base64 of {MIN_BYTES} to {MAX_BYTES} bytes")
    return key


def signing_keys(text: str) -> tuple[bytes, ...]:
    """The keys of secrets separated by blanks or commas. Raises `BadSecret`."""
    return tuple(map(key_of, _words(text)))


def keys_of(text: str) -> Keys:
    """The keys of `SENDER=SECRET …`, separated by blanks or commas; a sender may stand there several times. Raises
    `BadSecret`, also where two senders have the same secret: then nobody could tell them apart."""
    by_sender: dict[str, tuple[bytes, ...]] = {}
    for number, word in enumerate(_words(text), 1):
        sender, _, secret = word.partition("=")
        if not sender.isidentifier():
            raise BadSecret(f"webhook secret {number} is not written SENDER=SECRET, such as payments={PREFIX}…")
        try:
            key = key_of(secret)
        except BadSecret as error:
            raise BadSecret(f"webhook secret {number}, of {sender}: {error}") from None
        if any(key in keys for other, keys in by_sender.items() if other != sender):
            raise BadSecret(f"webhook secret {number}: {sender} has the same secret as another sender")
        by_sender[sender] = (*by_sender.get(sender, ()), key)
    return Keys(by_sender)


def sign(keys: Sequence[bytes], id: str, at: int, body: bytes) -> dict[str, str]:
    """The headers for a body sent `at` (seconds since 1970, real time), signed with each key."""
    signatures = (f"v1,{b64encode(_mac(key, id, at, body)).decode()}" for key in keys)
    return {ID: id, TIMESTAMP: str(at), SIGNATURE: " ".join(signatures)}


def is_signed(headers: Mapping[str, str]) -> bool:
    """Whether the headers are there; of their worth this says nothing."""
    return all(headers.get(name) for name in (ID, TIMESTAMP, SIGNATURE))


def verify(keys: Keys, headers: Mapping[str, str], body: bytes, now: float) -> Signed:
    """Who signed it, `now` being the real time in seconds since 1970.

    Raises `Refused`: webhooks_not_configured; webhook_unsigned, webhook_forged, webhook_out_of_time (all 401).
    """
    if not keys.by_sender:
        raise Refused("webhooks_not_configured", "this service knows no sender's secret and takes no webhooks")
    if not is_signed(headers) or not _is_id(headers[ID]) or not _is_time(headers[TIMESTAMP]):
        names = f"{ID}, {TIMESTAMP} and {SIGNATURE}"
        raise Refused("webhook_unsigned", f"sign it as Standard Webhooks says, in the headers {names}")
    id, at = headers[ID], int(headers[TIMESTAMP])
    given = _signatures(headers[SIGNATURE])
    sender = next(
        (
            sender
            for sender, its_keys in keys.by_sender.items()
            for key in its_keys
            if _is_among(_mac(key, id, at, body), given)
        ),
        None,
    )
    if sender is None:
        raise Refused("webhook_forged", "no signature is that of a sender known here; check the secret")
    if abs(now - at) > TOLERANCE:
        raise Refused(
            "webhook_out_of_time", f"its timestamp is more than {TOLERANCE} s off; sign anew whenever it is sent again"
        )
    return Signed(id, sender, sha256(body).digest())


class Replays:
    """Webhooks that had their effect, for as long as their timestamps would still be taken. Of one process only, and
    lost with it: that an event has its effect once is the inbox's work."""

    def __init__(self) -> None:
        self._until: OrderedDict[tuple[str, str], tuple[float, bytes]] = OrderedDict()

    def has(self, webhook: Signed, now: float) -> bool:
        """Whether this very webhook came before. Raises `Refused` (webhook_id_reused) where one of the same id had
        another body."""
        self._forget(now)
        before = self._until.get((webhook.sender, webhook.id))
        if before and before[1] != webhook.digest:
            raise Refused("webhook_id_reused", "another body came under this webhook-id; give every webhook its own")
        return before is not None

    def add(self, webhook: Signed, now: float) -> None:
        """Call it once the webhook has had its effect, not before: one that failed is sent again under its id."""
        self._until[webhook.sender, webhook.id] = now + 2 * TOLERANCE, webhook.digest
        self._until.move_to_end((webhook.sender, webhook.id))
        if len(self._until) > REMEMBERED:
            self._until.popitem(last=False)

    def _forget(self, now: float) -> None:
        while self._until and next(iter(self._until.values()))[0] < now:
            self._until.popitem(last=False)


def _is_id(text: str) -> bool:
    # The three parts are signed as one text with dots between them: a dot within the first could move the others.
    return len(text) <= MAX_ID and text.isascii() and "." not in text


def _is_time(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= MAX_DIGITS and text[0] != "0"


def _words(text: str) -> list[str]:
    return text.replace(",", " ").split()


def _mac(key: bytes, id: str, at: int, body: bytes) -> bytes:
    return hmac.digest(key, f"{id}.{at}.".encode() + body, sha256)


def _signatures(header: str) -> list[bytes]:
    """The v1 signatures of the header; what is none is passed over."""
    found = []
    for word in header.split(" ")[:MAX_SIGNATURES]:
        version, _, text = word.partition(",")
        if version == "v1" and text.isascii():
            try:
                found.append(b64decode(text, validate=True))
            except (binascii.Error, ValueError):
                continue
    return found


def _is_among(expected: bytes, given: Sequence[bytes]) -> bool:
    return any(hmac.compare_digest(expected, one) for one in given)
