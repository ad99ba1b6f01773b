"""Coverage-guided fuzzing of facts: ``python tests/facts/fuzz.py [libFuzzer options]`` (``make fuzz``).

What must hold for any text: reading ends with a document or a refusal, nothing else is raised, and no
wrapper takes away what was found without it.
"""

from __future__ import annotations

import shlex
import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["hitl_opa.facts"]):
    from hitl_opa.facts import read_facts

import msgspec
import yaml

from hitl_opa.errors import CallRefused
from hitl_opa.model import Facts, ToolCall

# Texts that are no script by themselves wrap as something else: an open quote swallows what follows it.
WRAPPERS = ("sh -c {}", "sudo sh -c {}", "env sh -c {}", "eval {}", "bash -c {}; true")
PROGRAMS = (
    "python3 -c",
    "node -e",
    "perl -e",
    "awk",
    "sed",
    "psql -c",
    "make --eval",
    "pwsh -c",
    "find . -exec",
    "git -c",
)


def read(command: str) -> Facts | None:
    try:
        about, facts = read_facts(ToolCall(tool="Bash", input={"command": command}, cwd="/home/dev/project"))
    except CallRefused:
        return None
    msgspec.json.encode([about, facts])
    return facts


def found(facts: Facts) -> set[tuple[str, str, str]]:
    return {(e.verb.value, e.target.type, e.target.place) for e in facts.effects}


def one(data: bytes) -> None:
    how, text = (data[0] if data else 0), data[1:].decode("utf-8", "replace").replace("\0", "")
    if how % 4 == 1:
        text = f"{PROGRAMS[how // 4 % len(PROGRAMS)]} {shlex.quote(text)}"
    facts = read(text)
    if facts is None or facts.opaque:
        return
    if how % 4 == 2:
        wrapped = read(WRAPPERS[how // 4 % len(WRAPPERS)].format(shlex.quote(text)))
        if wrapped is not None and not found(facts) <= found(wrapped) and not wrapped.opaque:
            raise AssertionError(f"a wrapper takes {found(facts) - found(wrapped)} from {text!r}")
    if how % 4 == 3:
        twice = read(f"{text}\n{text}")
        if twice is not None and not found(facts) <= found(twice) and not twice.opaque:
            raise AssertionError(f"twice takes {found(facts) - found(twice)} from {text!r}")


def seeds(folder: Path) -> None:
    """The examples of commands.yaml as the texts to start from."""
    for i, case in enumerate(yaml.safe_load(Path(__file__).with_name("commands.yaml").read_text("utf-8"))):
        folder.joinpath(str(i)).write_bytes(bytes([i % 256]) + case["run"].encode())


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as corpus:
        seeds(Path(corpus))
        atheris.Setup([*sys.argv, corpus], one)
        atheris.Fuzz()
