"""METADATA comments, as OPA reads them: a YAML block of comments right above a package, rule or import."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from hitl_opa.errors import PolicyError
from hitl_opa.policy.yaml import load_yaml

_RULE = re.compile(r"(?:default\s+)?([A-Za-z_][\w.]*)")
_VERDICT = re.compile(r'"verdict":\s*"(allow|ask|deny)"')


class Annotation(msgspec.Struct, frozen=True, kw_only=True):
    """One block. ``line`` is its first (from 1); ``target`` is ``package`` or the rule's name; ``body`` what it
    stands above, up to the next block."""

    file: str
    line: int
    target: str
    title: str
    description: str
    custom: dict[str, Any]
    body: str

    @property
    def verdicts(self) -> list[str]:
        """The verdicts that the rule's text names, in order of appearance."""
        return list(dict.fromkeys(_VERDICT.findall(self.body)))


def read_annotations(file: str, source: str) -> list[Annotation]:
    """Every METADATA block of a file. PolicyError with file:line:column for one that is no YAML."""
    lines = source.split("\n")
    starts = [number for number, line in enumerate(lines) if line.strip() == "# METADATA"]
    found = []
    for start, following in zip(starts, [*starts[1:], len(lines)], strict=True):
        end = start + 1
        while end < len(lines) and lines[end].startswith("#"):
            end += 1
        # Blanks for what stands above and before, so that a refusal names the right line and column.
        text = "\n" * (start + 1) + "\n".join(f"  {line[2:]}" if line[2:] else "" for line in lines[start + 1 : end])
        value = load_yaml(text, file)
        if not isinstance(value, dict) or not isinstance(value.get("custom", {}), dict):
            raise PolicyError(f"{file}:{start + 1}:1: METADATA must be a mapping, and custom in it too")
        body = "\n".join(lines[end:following])
        name = _RULE.match(body)
        found.append(
            Annotation(
                file=file,
                line=start + 1,
                target=name[1] if name else "",
                title=str(value.get("title", "")),
                description=" ".join(str(value.get("description", "")).split()),
                custom=value.get("custom", {}),
                body=body,
            )
        )
    return found
