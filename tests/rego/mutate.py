"""Deletes every rule of the shipped policies, one at a time, and names those that no Rego test misses.

``python tests/rego/mutate.py [PART OF A MODULE'S PATH ...]`` exits 1 if there are any. It runs on the
embedded engine, a few minutes for all.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from hitl_opa.engines.embedded import load
from hitl_opa.errors import PolicyError
from hitl_opa.policy.bundle import PolicyBundle, load_bundle

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


def merged(modules: Mapping[str, str]) -> dict[str, str]:
    """One module a package: under ``with``, regorus evaluates only the first module of a package right."""
    packages: dict[str, list[str]] = {}
    for source in modules.values():
        packages.setdefault(package(source), []).append(source)
    whole = {}
    for name, sources in packages.items():
        lines = [line for source in sources for line in source.splitlines()]
        imports = sorted({line for line in lines if line.startswith("import ")})
        rest = [line for line in lines if not line.startswith(("import ", "package "))]
        whole[f"{name}.rego"] = "\n".join([f"package {name}", *imports, *rest])
    return whole


def tests_of(bundle: PolicyBundle) -> list[str]:
    """``data.<package>.<test>`` of every Rego test."""
    found = []
    for source in bundle.tests.values():
        names = sorted(set(re.findall(r"^(test_\w+)", source, re.MULTILINE)))
        found += [f"data.{package(source)}.{name}" for name in names]
    return found


def failing(bundle: PolicyBundle, modules: Mapping[str, str], first: str = "") -> Iterator[str]:
    """The tests that fail with these modules; those of the package ``first`` come first."""
    try:
        engine = load({**merged(modules), **bundle.tests}, bundle.data)
    except PolicyError as error:
        yield str(error)
        return
    for test in sorted(tests_of(bundle), key=lambda name: not name.startswith(f"data.{first}_test.")):
        try:
            engine.set_input_json("{}")
            passed = engine.eval_rule_as_json(test) == "true"
        except BaseException as error:  # a panic is no Exception
            if isinstance(error, KeyboardInterrupt):
                raise
            passed = False
        if not passed:
            yield test


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
    modules = {**bundle.modules, mutant.module: mutant.source}
    return next(failing(bundle, modules, package(mutant.source)), None) is None


def main(parts: list[str]) -> int:
    bundle = load_bundle(base=REGO)
    if broken := next(failing(bundle, bundle.modules), None):
        print(f"{broken} fails before anything is deleted")
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
