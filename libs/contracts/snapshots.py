"""Snapshots of every message, in the repository: what was once published is never broken unnoticed.

    python -m contracts.snapshots check     says what does not fit, and fails
    python -m contracts.snapshots write     adds the next revision of what was added to

For every `ce_type` the folder `schemas/<ce_type>/` holds its JSON Schema at each revision (0001.json, 0002.json, …) and
`golden/<ce_type>/` the bytes of one message as it was written at that revision. Files are added, never changed.
A change of words alone (descriptions, titles, examples) makes no revision.

`check` compares today's schema with all revisions by the rules of `contracts.compatibility`, parses every golden
message, brings it to its newest version, and looks that nothing of it is lost when it is written again.
"""

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from contracts.compatibility import breaks, same
from contracts.envelope import InvalidData, parse
from contracts.message import Message
from contracts.registry import REGISTRY, UPCASTS, Upcast, upcast
from contracts.schema import Schema, schema_of

HERE = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Contracts:
    """What is compared with the snapshots: the messages of today, an example of each, and the upcasts."""

    registry: Mapping[str, type[Message]]
    examples: Mapping[str, Message]
    upcasts: Mapping[type[Message], Upcast]


def check(contracts: Contracts, root: Path = HERE) -> list[str]:
    """What does not fit between today's messages and the snapshots under `root`, one line each; [] if all is well."""
    problems = [
        f"{name}: is gone; messages of it still lie in topics, so its class stays"
        for name in sorted(_folders(root / "schemas") - contracts.registry.keys())
    ]
    for name, message_type in contracts.registry.items():
        schemas, samples = _revisions(root / "schemas" / name), _revisions(root / "golden" / name)
        if schemas.keys() != samples.keys():
            problems.append(f"{name}: schemas has revisions {sorted(schemas)}, golden has {sorted(samples)}")
        problems += _incompatibilities(name, schema_of(message_type), schemas)
        for revision, sample in samples.items():
            problems += (f"{name}: golden {revision}: {fault}" for fault in _faults(sample, message_type, contracts))
        if not schemas:
            problems.append(f"{name}: has no snapshot; run `python -m contracts.snapshots write`")
        elif not same(json.loads(schemas[max(schemas)]), schema_of(message_type)):
            problems.append(f"{name}: differs from its newest snapshot; run `python -m contracts.snapshots write`")
    return problems


def write(contracts: Contracts, root: Path = HERE) -> list[str]:
    """Adds a revision (schema and golden message) for every message that is new or was added to; returns their names.

    Raises `ValueError`, and writes nothing, when a message breaks an earlier revision.
    """
    changed: dict[str, tuple[str, Schema]] = {}
    problems: list[str] = []
    for name, message_type in contracts.registry.items():
        schemas, schema = _revisions(root / "schemas" / name), schema_of(message_type)
        problems += _incompatibilities(name, schema, schemas)
        if not schemas or not same(json.loads(schemas[max(schemas)]), schema):
            changed[name] = f"{len(schemas) + 1:04}.json", schema
    if problems:
        raise ValueError("\n".join([*problems, "make a new version of the class, and an upcast from the old one"]))
    for name, (file, schema) in changed.items():
        for folder, content in (("schemas", schema_text(schema)), ("golden", value_of(contracts.examples[name]))):
            path = root / folder / name / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
    return [f"{name} {file}" for name, (file, _) in changed.items()]


def value_of(message: Message) -> bytes:
    """The value of a record with this message, as `envelope.encode` writes it."""
    return message.model_dump_json(exclude_none=True).encode()


def schema_text(schema: Schema) -> bytes:
    """A schema as it is stored: the same bytes for the same schema."""
    return (json.dumps(schema, indent=2, ensure_ascii=False) + "\n").encode()


def lost(before: Any, after: Any, path: str = "") -> list[str]:
    """Where a JSON value has something that another lacks or has differently; fields may be added."""
    if isinstance(before, dict) and isinstance(after, dict):
        return [
            place
            for name, value in before.items()
            for place in (
                lost(value, after[name], f"{path}.{name}".lstrip("."))
                if name in after
                else [f"{path}.{name}".lstrip(".")]
            )
        ]
    if isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        pairs = enumerate(zip(before, after, strict=True))
        return [place for index, (one, other) in pairs for place in lost(one, other, f"{path}[{index}]")]
    return [] if type(before) is type(after) and before == after else [path or "the message"]


def _incompatibilities(name: str, schema: Schema, schemas: Mapping[str, bytes]) -> list[str]:
    return [
        f"{name}: breaks revision {revision}: {what}"
        for revision, content in schemas.items()
        for what in breaks(json.loads(content), schema)
    ]


def _faults(sample: bytes, message_type: type[Message], contracts: Contracts) -> list[str]:
    try:
        message = parse(sample, message_type)
    except InvalidData as error:
        return [f"no longer parses: {error}"]
    faults = [f"loses {place}" for place in lost(json.loads(sample), json.loads(value_of(message)))]
    newest = upcast(message, contracts.upcasts)
    if newest.CE_TYPE not in contracts.registry:
        faults.append(f"its upcast gives {newest.CE_TYPE}, which is not registered")
    return faults


def _folders(root: Path) -> set[str]:
    return {path.name for path in root.iterdir()} if root.is_dir() else set()


def _revisions(folder: Path) -> dict[str, bytes]:
    """The files of a folder by revision, "0001" first."""
    return {path.stem: path.read_bytes() for path in sorted(folder.glob("*.json"))}


def main(arguments: list[str]) -> int:
    """Exit code 0 when all is well, 1 with the problems on standard error, 2 for a wrong call."""
    from contracts.examples import EXAMPLES

    contracts = Contracts(REGISTRY, EXAMPLES, UPCASTS)
    if arguments == ["check"]:
        problems = check(contracts)
        print(
            "\n".join(problems) or f"{len(REGISTRY)} messages fit their snapshots",
            file=sys.stderr if problems else None,
        )
        return 1 if problems else 0
    if arguments == ["write"]:
        try:
            print("\n".join(write(contracts)) or "nothing to add")
        except ValueError as error:
            print(error, file=sys.stderr)
            return 1
        return 0
    print("usage: python -m contracts.snapshots check|write", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
