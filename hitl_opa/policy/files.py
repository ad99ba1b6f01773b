"""A bundle as files, laid out as OPA wants them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path


def file_names(modules: Mapping[str, str]) -> dict[str, str]:
    """Module path -> relative path in a directory of its own; a user's absolute or ``..`` paths are made safe."""
    names: dict[str, str] = {}
    taken: set[str] = set()
    for module in modules:
        plain = "/".join(part for part in re.split(r"[\\/]+", module) if part not in ("", ".", ".."))
        name, number = plain, 1
        while name in taken:
            number += 1
            stem = plain.removesuffix("_test.rego").removesuffix(".rego")
            name = f"{stem}-{number}{plain[len(stem) :]}"
        taken.add(name)
        names[module] = name
    return names


def write_files(modules: Mapping[str, str], data: bytes, folder: Path) -> dict[str, str]:
    """Write modules and ``data.json`` below ``folder``; returns `file_names`."""
    names = file_names(modules)
    for module, name in names.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(modules[module], encoding="utf-8")
    (folder / "data.json").write_bytes(data)
    return names
