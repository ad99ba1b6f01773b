"""``docs/policies.md``: every rule of every pack, from METADATA, with the examples that run as tests."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from hitl_opa.errors import PolicyError
from hitl_opa.policy.bundle import PolicyBundle
from hitl_opa.policy.metadata import Annotation, read_annotations
from hitl_opa.policy.yaml import load_yaml

_PACKAGE = re.compile(r"^package\s+([\w.]+)", re.MULTILINE)
_PACKS = "hitl.packs."
_ALSO = {"hitl.custom": "hitl.custom", "hitl.effects": "effects"}
_HEAD = """# Policies

Generated from the METADATA of the rules and from tests/examples by `hitl-opa policy docs`; do not edit.

A *tier* gives every kind of effect a verdict and a risk (`rego/hitl/tiers/data.yaml`). The rules below add to it:
the strictest verdict and the highest risk win.
"""


def render_docs(bundle: PolicyBundle, examples: Path | None = None) -> str:
    """Markdown for the packs among the bundle's modules, sorted. ``examples``: a directory of ``<pack>.yaml``, each a
    list of ``{call: {tool, input, …}, verdict, rule or near, note}``. Raises PolicyError for a file it cannot read.
    """
    packs: dict[str, list[Annotation]] = {}
    others: list[Annotation] = []
    for file, source in sorted(bundle.modules.items()):
        package = _PACKAGE.search(source)
        name = package[1] if package else ""
        blocks = read_annotations(file, source)
        if name.startswith(_PACKS) or name in _ALSO:
            packs.setdefault(_ALSO.get(name, name.removeprefix(_PACKS)), []).extend(blocks)
        else:
            others += [block for block in blocks if block.custom.get("id")]
    parts = [_HEAD]
    parts += [_pack(name, blocks, examples) for name, blocks in sorted(packs.items())]
    if others:
        parts.append("\n".join(["## Levels, modes and confidence", "", *_table(others)]) + "\n")
    return "\n".join(parts)


def _pack(name: str, blocks: list[Annotation], examples: Path | None) -> str:
    about = next((block for block in blocks if block.target == "package"), None)
    lines = [f"## {about.title if about and about.title else name}", ""]
    if about and about.description:
        lines += [about.description, ""]
    rules = [block for block in blocks if block.custom.get("id")]
    lines += _table(rules)
    file = examples / f"{name}.yaml" if examples else None
    if file and file.is_file():
        lines += ["", *_examples(file)]
    return "\n".join(lines) + "\n"


def _table(rules: list[Annotation]) -> list[str]:
    rows = [
        [
            f"`{rule.custom['id']}`",
            " / ".join(rule.verdicts),
            str(rule.custom.get("risk", "")),
            rule.title,
            str(rule.custom.get("remedy", "")),
        ]
        for rule in sorted(rules, key=lambda r: str(r.custom["id"]))
    ]
    return _markdown(["rule", "verdict", "risk", "when", "instead"], rows)


def _examples(file: Path) -> list[str]:
    try:
        values = load_yaml(file.read_text(encoding="utf-8"), str(file))
    except OSError as error:
        raise PolicyError(f"{file}: cannot be read: {error.strerror}") from None
    if not isinstance(values, list) or not all(isinstance(v, dict) and isinstance(v.get("call"), dict) for v in values):
        raise PolicyError(f"{file}:1:1: expected a list of examples, each with a call")
    rows = [
        [_call(value["call"]), str(value.get("verdict", "")), _rule(value), str(value.get("note", ""))]
        for value in values
    ]
    return _markdown(["call", "verdict", "rule", ""], rows)


def _rule(value: dict[str, Any]) -> str:
    """The rule that fires, or the one that the call only comes near."""
    return f"not {_code(value['near'])}" if value.get("near") else _code(value.get("rule", ""))


def _call(call: dict[str, Any]) -> str:
    """The call in one line: the command or path where there is just one such field, else the input as JSON."""
    given = call.get("input", {})
    texts = [value for value in given.values() if isinstance(value, str)] if isinstance(given, dict) else []
    shown = texts[0] if len(given) == 1 and texts else json.dumps(given, ensure_ascii=False)
    return f"{call.get('tool', '')} {_code(shown)}"


def _code(text: Any) -> str:
    """Inline code whose content may itself hold backticks, bars or line breaks."""
    plain = " ".join(str(text).split())
    if not plain:
        return ""
    longest = max((len(run) for run in re.findall(r"`+", plain)), default=0)
    fence = "`" * (longest + 1)
    space = " " if longest else ""
    return f"{fence}{space}{plain}{space}{fence}"


def _markdown(head: list[str], rows: list[list[str]]) -> list[str]:
    def line(cells: list[str]) -> str:
        return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"

    return [line(head), "|" + " --- |" * len(head), *map(line, rows)]
