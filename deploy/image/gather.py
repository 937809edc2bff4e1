"""Copies one service and the packages of ours that it imports, directly or by others, to where its image takes them.

    python gather.py SERVICE SOURCE TARGET

SERVICE is `orders`, or `simulators.payments`; SOURCE a checkout. Part of making images, never of an image.
"""

import ast
import shutil
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

ROOTS = ("libs", "services", ".")
"""Where packages of ours lie in the checkout."""


def needed(service: str, source: Path) -> dict[str, Path]:
    """Packages by dotted name, with their folders. A package does not bring the packages inside it. KeyError for a
    service that is not there."""
    found: dict[str, Path] = {}
    waiting = [service]
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        folder = _folder(name, source)
        if folder is None:
            continue
        found[name] = folder
        waiting += _imported(name, folder)
        waiting += [name.rpartition(".")[0]] if "." in name else []
    if service not in found:
        raise KeyError(f"there is no package {service} in {', '.join(ROOTS)}")
    return found


def _folder(name: str, source: Path) -> Path | None:
    for root in ROOTS:
        folder = source / root / Path(*name.split("."))
        if (folder / "__init__.py").exists():
            return folder
    return None


def _imported(name: str, folder: Path) -> Iterator[str]:
    """Dotted names that may be packages; modules in them, and what is in these, among others."""
    for path in folder.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module:
                names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
            else:
                continue
            for dotted in names:
                parts = dotted.split(".")
                yield from (".".join(parts[:length]) for length in range(1, len(parts) + 1))


def copy(packages: dict[str, Path], target: Path) -> None:
    """The files of each package, with its migrations, at their dotted names under `target`."""
    for name, folder in packages.items():
        here = target / Path(*name.split("."))
        here.mkdir(parents=True, exist_ok=True)
        for path in folder.glob("*.py"):
            shutil.copy(path, here)
        if (folder / "migrations").exists():
            shutil.copytree(folder / "migrations", here / "migrations")


def main(arguments: Sequence[str]) -> None:
    service, source, target = arguments
    packages = needed(service, Path(source))
    copy(packages, Path(target))
    print(f"{service} is made of {', '.join(sorted(packages))}")


if __name__ == "__main__":
    main(sys.argv[1:])
