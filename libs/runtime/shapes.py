"""Shapes that several services show. They describe answers, and tests hold answers against them."""

from typing import Any

from pydantic import AwareDatetime, BaseModel


class Amount(BaseModel):
    """Money: minor units and an ISO 4217 code."""

    amount: int
    currency: str


class NextAction(BaseModel):
    """What the reader may do now, until when, and what happens if nobody does anything."""

    action: str
    until: AwareDatetime | None
    on_silence: str


class Entry(BaseModel):
    """A step of the history."""

    at: AwareDatetime
    what: str


class MoneyProof(BaseModel):
    """The whole book, counted again: `ok` where nothing was found."""

    ok: bool
    at: AwareDatetime
    currencies: list[dict[str, Any]]
    accounts: int
    transfers: int
    holds: int
    pending_holds: int
    orders: int
    findings: list[dict[str, Any]]
