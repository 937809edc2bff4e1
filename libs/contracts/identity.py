"""Identity: accounts, screening of orders, and appeals that prove who someone is."""

from datetime import date
from enum import StrEnum
from typing import Annotated

from pydantic import Field

from contracts.message import Code, Command, Country, Event, Id, Part, Refusal
from contracts.money import Price


class DocumentKind(StrEnum):
    """Documents an appeal may carry (I3)."""

    CARD_PICTURE = "card_picture"
    ID_CARD = "id_card"
    PASSPORT = "passport"
    DRIVING_LICENCE = "driving_licence"
    CARD_STATEMENT = "card_statement"
    UTILITY_BILL = "utility_bill"


class Document(Part):
    """A document by reference only: its kind, the SHA-256 of its content, and the day it was issued."""

    kind: DocumentKind
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    issued_on: date


class RiskSignal(Part):
    """A rule that fired, in the words of the policy it comes from (I1)."""

    rule: Code
    policy: Code


class OpenAccount(Command, key="person_id"):
    """Someone joins the marketplace as buyer or seller."""

    person_id: Id
    country: Country


class ScreenOrder(Command, key="person_id"):
    """Escrow asks whether a paid order may go on. Always answered, by `OrderCleared` or `OrderStopped` (I1)."""

    person_id: Id
    order_id: Id
    total: Price


class SubmitAppeal(Command, key="appeal_id"):
    """The buyer of a stopped order proves who they are (I2, I3). Refused with what is missing or too old (I4)."""

    appeal_id: Id
    person_id: Id
    order_id: Id
    documents: Annotated[tuple[Document, ...], Field(max_length=20)]


class VerifyAppeal(Command, key="appeal_id"):
    """A reviewer accepts the documents (I5)."""

    appeal_id: Id
    person_id: Id


class RejectAppeal(Command, key="appeal_id"):
    """A reviewer does not accept the documents, with a code that says why (I12)."""

    appeal_id: Id
    person_id: Id
    reason: Code


class AccountOpened(Event, key="person_id"):
    """An account exists and may order."""

    person_id: Id
    country: Country


class OrderCleared(Event, key="order_id"):
    """Screening has nothing against the order."""

    order_id: Id
    person_id: Id


class OrderStopped(Event, key="order_id"):
    """The order waits for proof of identity; `signals` are the statement of reasons (I2)."""

    order_id: Id
    person_id: Id
    signals: Annotated[tuple[RiskSignal, ...], Field(min_length=1)]


class AppealSubmitted(Event, key="appeal_id"):
    """A complete set of documents waits for a reviewer (I5)."""

    appeal_id: Id
    person_id: Id
    order_id: Id


class AppealVerified(Event, key="appeal_id"):
    """Identity is proved: the stopped order goes on where it stood (I5)."""

    appeal_id: Id
    person_id: Id
    order_id: Id


class AppealRejected(Event, key="appeal_id"):
    """Identity is not proved: the stopped order is refunded."""

    appeal_id: Id
    person_id: Id
    order_id: Id
    reason: Code


class CommandRefused(Refusal, key="subject"):
    """A command to identity that came by Kafka was refused."""
