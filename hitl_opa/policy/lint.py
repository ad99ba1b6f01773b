"""Check policies before they are loaded: the portable profile, in a process that may hang or die."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from hitl_opa.errors import PolicyError
from hitl_opa.policy.finding import Finding

if TYPE_CHECKING:
    from hitl_opa.policy.bundle import PolicyBundle

USER_PACKAGE = ("hitl", "custom")
DEADLINE = 20.0  # seconds, for all files together
_START = "import json, sys; sys.path[:] = json.loads(sys.argv[1]); from hitl_opa.policy.child import main; main()"


def check(bundle: PolicyBundle, *, prefix: tuple[str, ...] = USER_PACKAGE, deadline: float = DEADLINE) -> None:
    """Raise PolicyError with every finding, a line each, unless the bundle keeps to the portable profile.

    ``prefix``: the package that a user's files must lie in or below; ``()`` for any. What ships with hitl-opa
    was checked before it shipped: with data of the shape that it was checked with, it is read for its names alone.
    """
    tests = {file: source for file, source in bundle.tests.items() if not bundle.compiled or file in bundle.users}
    found = findings(
        {**bundle.modules, **tests},
        users=bundle.users,
        known=bundle.compiled,
        prefix=prefix,
        data=msgspec.json.decode(bundle.data),
        deadline=deadline,
    )
    if found:
        raise PolicyError("\n".join(map(str, found)))


def findings(
    sources: Mapping[str, str],
    *,
    users: frozenset[str] = frozenset(),
    known: frozenset[str] = frozenset(),
    prefix: tuple[str, ...] = USER_PACKAGE,
    data: Any = None,
    deadline: float = DEADLINE,
) -> list[Finding]:
    """What is outside the portable profile in these files (path -> Rego), in file order.

    ``known``: those among them that keep to it, which the others may refer to.
    Runs in a child process that is killed after ``deadline`` seconds; PolicyError if it dies or is late.
    """
    files = {"sources": dict(sources), "users": sorted(users), "known": sorted(known)}
    request = {**files, "prefix": prefix, "data": data or {}}
    child = subprocess.Popen(
        [sys.executable, "-P", "-c", _START, json.dumps(sys.path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        encoding="utf-8",
    )
    try:
        output, _ = child.communicate(json.dumps(request), timeout=deadline)
    except subprocess.TimeoutExpired:
        child.kill()
        output, _ = child.communicate()
        raise PolicyError(f"{_last(output)}: parsing took longer than {deadline:g} s and was stopped") from None
    except BaseException:
        child.kill()
        child.communicate()
        raise
    lines = output.splitlines()
    try:
        answer = json.loads(lines[-1]) if lines and child.returncode == 0 else {}
        return msgspec.convert(answer["findings"], list[Finding])
    except (ValueError, KeyError, msgspec.ValidationError):
        raise PolicyError(f"{_last(output)}: the parser died on this file (exit {child.returncode})") from None


def _last(output: str) -> str:
    """The file that the child was at."""
    for line in reversed((output or "").splitlines()):
        try:
            return str(json.loads(line)["file"])
        except (ValueError, KeyError):
            continue
    return "policies"
