"""Ids that are made, not given: UUIDv7, so that they sort by time and keep indexes dense."""

from uuid_utils import uuid7


def new_id() -> str:
    """A new UUIDv7 as text."""
    return str(uuid7())
