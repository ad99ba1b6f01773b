"""Deletes every rule of the shipped policies, one at a time, and names those that no Rego test misses.

``python tests/rego/mutate.py [PART OF A MODULE'S PATH ...]`` exits 1 if there are any. It runs on the
embedded engine, a few minutes for all.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import NamedTuple

import msgspec

from hitl_opa.errors import PolicyError
from hitl_opa.policy.bundle import PolicyBundle, load_bundle
from hitl_opa.policy.testing import run_tests

REGO = Path(__file__).resolve().parents[2] / "rego"


class Mutant(NamedTuple):
    """A module without one of its rules; ``line`` and ``head`` say which."""

    module: str
    line: int
    head: str
    source: str


def package(source: str) -> str:
    match = re.search(r"^package (\S+)$", source, re.MULTILINE)
    if match is None:
        raise PolicyError("a module without a package")
    return match[1]


def failing(bundle: PolicyBundle, match: str = "") -> list[str]:
    """The names of the tests with ``match`` in them that fail, or why the policies do not even load."""
    try:
        return [test.name for test in run_tests(bundle, engine="embedded", match=match) if not test.passed]
    except PolicyError as error:
        return [str(error)]


def mutants(bundle: PolicyBundle) -> list[Mutant]:
    """Every rule of every module, gone. A rule starts at a line's beginning and ends before the next blank line
    that something at a line's beginning follows, as `opa fmt` leaves it."""
    found = []
    for module, source in bundle.modules.items():
        offset = 0
        for block in re.split(r"(?<=\n)\n(?=\S)", source):
            rule = re.search(r"^(?!package |import )[a-z].*", block, re.MULTILINE | re.DOTALL)
            if rule:
                start, end = offset + rule.start(), offset + rule.end()
                head = rule[0].splitlines()[0]
                found.append(Mutant(module, source.count("\n", 0, start) + 1, head, source[:start] + source[end:]))
            offset += len(block) + 1
    return found


def survives(bundle: PolicyBundle, mutant: Mutant) -> bool:
    """True if all tests pass although the rule is gone; those of its own package are tried first."""
    broken = msgspec.structs.replace(bundle, modules={**bundle.modules, mutant.module: mutant.source})
    return not failing(broken, f"data.{package(mutant.source)}_test.") and not failing(broken)


def main(parts: list[str]) -> int:
    bundle = load_bundle(base=REGO)
    if broken := failing(bundle):
        print(f"{broken[0]} fails before anything is deleted")
        return 2
    chosen = [m for m in mutants(bundle) if not parts or any(part in m.module for part in parts)]
    alive = 0
    for mutant in chosen:
        if survives(bundle, mutant):
            alive += 1
            print(f"rego/{mutant.module}:{mutant.line}: no test misses: {mutant.head}", flush=True)
    print(f"{len(chosen)} rules deleted, {len(chosen) - alive} missed by a test, {alive} not")
    return 1 if alive else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
