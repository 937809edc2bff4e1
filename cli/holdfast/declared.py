"""What is declared: messages and whether they are still compatible, and the life of a paid order. Needs no stack.

What a verb alone needs is imported by it: all that is declared takes longer to import than most verbs take.
"""

import json
from typing import Annotated

import typer

from contracts.registry import REGISTRY, UPCASTS
from holdfast.terminal import JsonOption, fail


def check(as_json: JsonOption = False) -> None:
    """Compare every message with its snapshots; exit code 1 if one is broken. Example: holdfast contracts check"""
    from contracts import snapshots
    from contracts.examples import EXAMPLES

    problems = snapshots.check(snapshots.Contracts(REGISTRY, EXAMPLES, UPCASTS))
    if as_json:
        print(json.dumps({"messages": len(REGISTRY), "problems": problems}))
    else:
        print("\n".join(problems) or f"{len(REGISTRY)} messages fit their snapshots")
    if problems:
        raise typer.Exit(1)


def asyncapi() -> None:
    """Print the AsyncAPI document. Example: holdfast contracts asyncapi > asyncapi.json"""
    from contracts import asyncapi as document
    from holdfast.tables import readers

    print(document.text(document.asyncapi(receives=readers())), end="")


def types(
    ce_type: Annotated[str | None, typer.Argument(metavar="TYPE", help="One type: its schema and an example.")] = None,
    as_json: JsonOption = False,
) -> None:
    """List message types with their topics, or show one. Example: holdfast events types"""
    if ce_type is None:
        topics = {name: message.TOPIC for name, message in sorted(REGISTRY.items())}
        print(json.dumps(topics) if as_json else "\n".join(f"{name}  {topic}" for name, topic in topics.items()))
        return
    if ce_type not in REGISTRY:
        fail(f"there is no message type {ce_type!r}; `holdfast events types` lists them")
    from contracts import snapshots
    from contracts.examples import EXAMPLES
    from contracts.schema import schema_of

    told = {
        "type": ce_type,
        "topic": REGISTRY[ce_type].TOPIC,
        "schema": schema_of(REGISTRY[ce_type]),
        "example": json.loads(snapshots.value_of(EXAMPLES[ce_type])),
    }
    print(json.dumps(told, indent=None if as_json else 2, ensure_ascii=False))


def show_diagram() -> None:
    """Print states, deadlines and moves, with Mermaid pictures. Example: holdfast saga diagram > saga.md"""
    from escrow import diagram

    print(diagram.document(), end="")
