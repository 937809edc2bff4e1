"""The command line. One verb a need; errors in one line, with what to do."""

import logging
import signal
import sys
from collections.abc import Mapping
from typing import Any

import typer
from typer.core import TyperGroup

from holdfast.embedded.errors import EmbeddedError
from holdfast.lazily import Found, Verbs
from holdfast.terminal import errors, fail

VERBS: Mapping[str, str | Verbs] = {
    "up": "holdfast.upkeep:up",
    "down": "holdfast.upkeep:down",
    "demo": "holdfast.playing:demo",
    "replay": "holdfast.playing:replay",
    "money": "holdfast.money:money",
    "bench": "holdfast.benching:app",
    "token": "holdfast.token:token",
    "doctor": "holdfast.doctor:doctor",
    "flows": "holdfast.watching:show_flows",
    "reconcile": "holdfast.reconcile:reconcile",
    "clock": Verbs(
        "The virtual clock of a running stack.",
        {"show": "holdfast.clock:show", "advance": "holdfast.clock:advance"},
    ),
    "order": Verbs("One order, over all services.", {"show": "holdfast.order:show"}),
    "operations": Verbs(
        "Payouts, refunds and returns that wait for an operator.",
        {
            "list": "holdfast.operations:list_waiting",
            "retry": "holdfast.operations:retry",
            "result": "holdfast.operations:result",
            "return": "holdfast.operations:return_payment",
        },
    ),
    "dlq": Verbs(
        "Dead letters: parked keys and what to do with them.",
        {
            "list": "holdfast.dlq:list_letters",
            "show": "holdfast.dlq:show",
            "replay": "holdfast.dlq:replay",
            "discard": "holdfast.dlq:discard",
        },
    ),
    "contracts": Verbs(
        "The messages as they are declared.",
        {"check": "holdfast.declared:check", "asyncapi": "holdfast.declared:asyncapi"},
    ),
    "events": Verbs(
        "Events and commands: what there is.",
        {
            "types": "holdfast.declared:types",
            "tail": "holdfast.events:tail",
            "publish": "holdfast.events:publish",
        },
    ),
    "saga": Verbs(
        "The life of a paid order's money.",
        {"diagram": "holdfast.declared:show_diagram", "stuck": "holdfast.stuck:stuck"},
    ),
}


class _Everything(TyperGroup):
    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings | {"commands": Found(VERBS)})


app = typer.Typer(cls=_Everything, no_args_is_help=True, pretty_exceptions_enable=False)


@app.callback()
def holdfast() -> None:
    """Buyer protection for a marketplace: escrow, deposits, disputes and identity over Kafka and PostgreSQL.

    Exit codes: 0 done; 1 not clean (a proof that fails, something stuck or wrong); 2 could not be done, with the reason
    in one line; 130 interrupted.
    """


def main() -> None:
    """The verb that was called. Exit codes: 0 done, 1 not clean, 2 could not be done, 130 interrupted."""
    # What a client of Kafka logs while it tries again is nothing to the user; what it gives up with is told.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    try:
        try:
            app()
        finally:
            # What is left is a last line and the interpreter's own end.
            signal.signal(signal.SIGINT, signal.SIG_IGN)
    except EmbeddedError as error:
        fail(str(error))
    except KeyboardInterrupt:
        errors.print("stopped")
        sys.exit(130)
    except SystemExit as end:
        if end.code == 130:  # an interrupt that the framework saw first
            errors.print("stopped")
        raise
    except Exception as error:
        if _is(error, "httpx", "HTTPError"):
            fail(f"a service does not answer: {error!r}; `holdfast doctor` says more")
        if _is(error, "aiokafka.errors", "KafkaError"):
            fail(f"Kafka does not answer: {error!r}; `holdfast doctor` says more")
        raise


def _is(error: Exception, module: str, name: str) -> bool:
    """Whether it is of this class, which nobody raised without importing it."""
    kind = getattr(sys.modules.get(module), name, None)
    return kind is not None and isinstance(error, kind)
