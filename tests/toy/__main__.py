"""`python -m tests.toy toy|mirror [CURE_FILE]`: one of the toy services as a process."""

import sys
from pathlib import Path

import runtime
from runtime.app import serve
from runtime.http import Api, command, query
from tests.toy import toy

if len(sys.argv) > 2:
    toy.cured = Path(sys.argv[2])
if sys.argv[1] == "toy":
    api = Api(
        commands=(command("/tallies/{tally}", toy.Add),),
        queries=(query("/tallies/{id}", "tallies", lambda state, version: {"numbers": state.numbers}),),
    )
    serve(toy.TOY, api, (runtime.MIGRATIONS, toy.MIGRATIONS))
else:
    api = Api(queries=(query("/seen/{id}", "seen", lambda state, version: {"totals": state.totals}),))
    serve(toy.MIRROR, api, (runtime.MIGRATIONS, toy.MIGRATIONS))
