"""Parts of hand-written documents that are drawn from the code: the picture of topics and services, and the settings.

They stand between marks, `<!-- drawn: NAME -->` and `<!-- end -->`; what is between them is replaced.
"""

import ast
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import contracts
from contracts.message import Command, is_command
from contracts.registry import REGISTRY
from runtime.decision import Service
from runtime.settings import PREFIX, Settings

ROOT = Path(contracts.__file__).parents[2]
PORTS = ("payments", "carrier")
"""Services of ours stand for these outside the cluster as simulators."""


def filled(text: str, parts: Mapping[str, str]) -> str:
    """The document with each drawn part replaced by today's. KeyError for a mark whose part is not known."""
    return re.sub(
        r"(<!-- drawn: (\w+) -->\n).*?(<!-- end -->)",
        lambda mark: f"{mark[1]}{parts[mark[2]]}{mark[3]}",
        text,
        flags=re.DOTALL,
    )


def parts(services: Sequence[Service]) -> Mapping[str, str]:
    """Every drawn part by its name."""
    return {"topics": topics(services), "settings": settings()}


def topics(services: Sequence[Service]) -> str:
    """Who writes to and who reads from each topic, in Mermaid: services by their tables of routes, and by the commands
    of others that they make."""
    lines = ["```mermaid", "flowchart LR", "    other([other systems])"]
    lines += [
        f'    {each.name}{{{{"{each.name} (simulated)"}}}}' if each.name in PORTS else f"    {each.name}[{each.name}]"
        for each in services
    ]
    lines += [f'    {_node(topic)}[("{topic}")]' for topic in sorted({each.TOPIC for each in REGISTRY.values()})]
    lines += sorted(set(_edges(services)))
    lines.append("    classDef topic fill:#eef,stroke:#557")
    lines.append(f"    class {','.join(sorted({_node(each.TOPIC) for each in REGISTRY.values()}))} topic")
    return "\n".join([*lines, "```", ""])


def _edges(services: Sequence[Service]) -> Iterator[str]:
    for service in services:
        read = {message.TOPIC for message in service.routes if message in REGISTRY.values()}
        yield from (f"    {_node(topic)} --> {service.name}" for topic in read)
        yield f"    {service.name} --> {_node(service.refusal.TOPIC)}"
        yield from (f"    {service.name} --> {_node(topic)}" for topic in sent(service))
        if service.name not in PORTS:
            yield f"    other --> {_node(f'{service.name}.commands.v1')}"


def sent(service: Service) -> set[str]:
    """Command topics of others that a service writes to: those of the commands that its code makes."""
    folder = ROOT / ("simulators" if service.name in PORTS else "services") / service.name
    made = set()
    for path in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                made.add(node.func.id)
    return {
        message.TOPIC
        for message in REGISTRY.values()
        if issubclass(message, Command)
        and is_command(message.TOPIC)
        and message not in service.routes
        and message.__name__ in made
    }


def _node(topic: str) -> str:
    return topic.removesuffix(".v1").replace(".", "_")


def settings() -> str:
    """Every setting of a service, as a table."""
    lines = ["| variable | default | meaning |", "|---|---|---|"]
    for name, field in Settings.model_fields.items():
        default = "required" if field.is_required() else _shown(field.get_default())
        lines.append(f"| `{PREFIX}{name.upper()}` | {default} | {(field.description or _PLAIN[name]).strip()} |")
    return "\n".join([*lines, ""])


_PLAIN = {
    "database_url": "PostgreSQL of this service: `postgresql://role:password@host:port/database`",
    "environment": "`development`, `test` or `production`; what is for development refuses to run elsewhere",
    "host": "address to listen on; in a container 0.0.0.0",
    "port": "port to listen on",
    "log_level": "`debug`, `info`, `warning` or `error`",
}


def _shown(default: Any) -> str:
    if hasattr(default, "get_secret_value"):
        default = default.get_secret_value()
    if isinstance(default, bool):
        default = str(default).lower()
    return "" if default in (None, "") else f"`{default}`"
