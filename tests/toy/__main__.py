"""`python -m tests.toy toy|mirror [CURE_FILE]`: one of the toy services as a process.

Faults to order, in the environment: `TOY_CRASH=POINT:N`, `TOY_SLOW_DECISION=SECONDS`, `TOY_SLOW_SAVE=SECONDS`.
"""

import os
import sys
from pathlib import Path

import runtime
from runtime.app import serve
from runtime.http import Api, command, query
from tests.toy import faults, toy


def _seen(state: toy.Seen, version: int) -> dict[str, object]:
    return {"totals": state.totals, "parcels": state.parcels}


def main() -> None:
    if len(sys.argv) > 2:
        toy.cured = Path(sys.argv[2])
    if crash := os.environ.get("TOY_CRASH"):
        faults.die_at(crash)
    if slow_save := os.environ.get("TOY_SLOW_SAVE"):
        faults.slow_saves(float(slow_save))
    service = toy.TOY if sys.argv[1] == "toy" else toy.MIRROR
    if slow_decision := os.environ.get("TOY_SLOW_DECISION"):
        service = faults.slow_decisions(service, float(slow_decision))
    api = Api(
        commands=(command("/tallies/{tally}", toy.Add),),
        queries=(query("/tallies/{id}", "tallies", lambda state, version: {"numbers": state.numbers}),),
    )
    mirror_api = Api(queries=(query("/seen/{id}", "seen", _seen),))
    serve(service, api if sys.argv[1] == "toy" else mirror_api, (runtime.MIGRATIONS, toy.MIGRATIONS))


if __name__ == "__main__":
    main()
