"""The proof of money as figures that a service tells whoever watches it."""

from collections import Counter

import asyncpg

from ledger.findings import CODES
from ledger.proof import prove

GAUGES = (
    ("ledger_findings", "What the last proof of money found wrong, by code; all 0 while the book is right", ("code",)),
    ("ledger_imbalance_minor_units", "Sum of all accounts of a currency by the last proof; anything but 0 is wrong",
     ("currency",)),
    ("ledger_proof_transfers", "Transfers that the last proof counted again", ()),
)  # fmt: skip
"""Name, meaning and labels of each figure."""


async def readings(connection: asyncpg.Connection) -> list[tuple[str, float, tuple[str, ...]]]:
    """Name, value and label values, from a proof taken now (see `proof.prove`)."""
    proof = await prove(connection)
    found = Counter(finding.code for finding in proof.findings)
    return [
        ("ledger_proof_transfers", proof.transfers, ()),
        *(("ledger_findings", found[code], (code,)) for code in CODES),
        *(("ledger_imbalance_minor_units", one.sum, (one.currency,)) for one in proof.currencies),
    ]
