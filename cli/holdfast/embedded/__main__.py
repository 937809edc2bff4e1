"""`python -m holdfast.embedded` fetches and checks Kafka's jars; `--relock` resolves them anew, for the lock file."""

from __future__ import annotations

import sys

from holdfast.embedded import EmbeddedError, jars
from holdfast.places import home

try:
    if "--relock" in sys.argv[1:]:
        jars.relock()
    print(f"{len(jars.fetch())} jars of Apache Kafka in {home() / 'jars'}, all with the locked sums")
except EmbeddedError as error:
    sys.exit(str(error))
