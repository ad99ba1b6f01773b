"""What runs in the killable process: parse policies and lint them.

Reads ``{"sources": {file: text}, "users": [file], "known": [file], "prefix": [name], "data": {}}`` from standard
input, writes one line a step to standard output: ``{"file": …}`` before it is parsed, ``{"findings": [...]}`` last.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import msgspec

from hitl_opa.policy import calls, checks, whole
from hitl_opa.policy.finding import Finding
from hitl_opa.policy.program import Program
from hitl_opa.policy.syntax import Module, parse
from hitl_opa.policy.syntax import column as columns

_CHECKS = (checks.heads, checks.bodies, calls.functions, calls.withs, whole.imports, whole.clashes)


def lint(
    sources: dict[str, str],
    users: frozenset[str],
    known: frozenset[str],
    prefix: tuple[str, ...],
    data: Any,
    progress: Any = None,
) -> list[Finding]:
    """Every finding over these files but the known ones, sorted. A file that does not parse has just that finding."""
    from hitl_opa.engines.embedded import explain

    findings: list[Finding] = []
    modules: list[Module] = []
    for file, source in sources.items():
        if progress:
            progress(file)
        early = [] if file in known else list(whole.text(file, source))
        findings += early
        if early:
            continue
        try:
            modules.append(parse(file, source))
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:  # noqa: BLE001 - a panic of the parser is no Exception
            findings.append(_unparsed(file, source, explain(error)))
    program = Program(modules, data)
    checked = [module for module in modules if module.file not in known]
    for module in checked:
        for check in _CHECKS:
            findings += check(module, program)
        findings += whole.packages(module, users, prefix)
        findings += whole.unheard(module, users, prefix)
    findings += whole.chains(checked, program)
    return sorted(set(findings))


def _unparsed(file: str, source: str, text: str) -> Finding:
    where, _, what = text.removeprefix(f"{file}:").partition(": ")
    line, _, column = where.partition(":")
    known = line.isdigit() and column.isdigit()
    return Finding(
        file=file,
        line=int(line) if known else 1,
        column=columns(source.split("\n")[int(line) - 1], int(column)) if known else 1,
        rule="syntax",
        message=what if known else text,
        fix="Correct the syntax (`opa fmt` and `opa check --strict` say more)",
    )


def main() -> None:
    request = json.load(sys.stdin)

    def say(line: Any) -> None:
        sys.stdout.write(json.dumps(line) + "\n")
        sys.stdout.flush()

    found = lint(
        request["sources"],
        frozenset(request["users"]),
        frozenset(request["known"]),
        tuple(request["prefix"]),
        request["data"],
        lambda file: say({"file": file}),
    )
    say({"findings": msgspec.to_builtins(found)})
