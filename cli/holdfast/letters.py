"""A dead letter for people: where it stood, what it is, why it is parked, and what to do."""

import json
import shlex
from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text


def place(letter: Mapping[str, Any]) -> str:
    """Where it was met."""
    from runtime.delivery import TIMER_TOPIC  # with all of a service behind it
    from runtime.outbox import OUTGOING

    if letter["topic"] == TIMER_TOPIC:
        return "a timer of the service"
    if letter["offset"] == OUTGOING:
        return f"on its way to {letter['topic']}"
    if letter["offset"] < 0:
        return f"a webhook of {letter['topic']}"
    return f"{letter['topic']}, partition {letter['partition']}, offset {letter['offset']}"


def what_to_do(service: str, letter: Mapping[str, Any]) -> str:
    """The next step, with the commands for it."""
    if letter["status"] in ("replayed", "discarded"):
        return (
            f"nothing: {letter['status']} by {letter['resolved_by']} at {letter['resolved_at']}, "
            f"because: {letter['reason']}"
        )
    key = shlex.quote(letter["key"])
    replay = f'holdfast dlq replay {service} {key} --reason "…"'
    discard = f'holdfast dlq discard {service} {key} {letter["seq"]} --reason "…"'
    if letter["status"] == "waiting":
        return f"it waits behind an earlier letter of its key (holdfast dlq list) and goes on with that one: {replay}"
    return (
        f"remove the cause, then see what a replay would do: {replay} · do it: the same with --do · "
        f"or give the message up for good: {discard}"
    )


def show(service: str, letter: Mapping[str, Any], console: Console) -> None:
    """The whole letter."""
    table = Table(
        title=f"Letter {service}:{letter['seq']}", title_justify="left", title_style="bold", show_header=False
    )
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    table.add_row("state", f"{letter['status']}, parked {letter['parked_at']}")
    table.add_row("key", _plain(letter["key"]))
    table.add_row("place", _plain(place(letter)))
    table.add_row("error", _plain(f"{letter['code']}: {letter['error']}"))
    if letter["record_key"] is not None:
        table.add_row("record key", _plain(letter["record_key"]))
    for name, content in letter["headers"]:
        table.add_row("header", _plain(f"{name}: {content}"))
    table.add_row("value", _plain(_value(letter)))
    table.add_row("what to do", _plain(what_to_do(service, letter)))
    console.print(table)


def _value(letter: Mapping[str, Any]) -> str:
    """Laid out where it is JSON, as it came where not."""
    if letter["value"] is None:
        return "none"
    if letter["value_encoding"] == "base64":
        return f"not text; in base64: {letter['value']}"
    try:
        return json.dumps(json.loads(letter["value"]), indent=2, ensure_ascii=False)
    except ValueError:
        return str(letter["value"])


def _plain(text: str) -> Text:
    """What others sent is not markup."""
    return Text(text)
