"""How long until a fresh Python process has its first decision, beside `python -c pass`.

    python benchmarks/start.py [--runs 40] [--json]

The process imports `Guard`, opens it with the shipped policies and a record on disk, and decides one shell
command; a third one has a rule of its own besides, which is linted first. Runs alternate. The budget is on
wall-clock time; CPU time is the steadier figure on a busy machine.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

BUDGET_MS = 250
# installed packages have their byte code; a checkout has it once it may be written
ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}

FIRST = """
from hitl_opa import Guard, ToolCall
guard = Guard.open(audit={audit!r}, level=2, policies={policies!r})
decision = guard.decide_sync(ToolCall(tool="Bash", input={{"command": "rm -rf build"}}, cwd={cwd!r}))
guard.close_sync()
"""
RULE = """package hitl.custom

reasons contains r if {
	some c in input.facts.commands
	c.program == "ls"
	r := {"rule": "custom.ls", "verdict": "ask", "risk": "high", "message": "No."}
}
"""


def timed(code: str, cwd: Path) -> tuple[float, float]:
    """Milliseconds that a fresh interpreter takes for this code: on the clock, and of CPU."""
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run([sys.executable, "-c", code], cwd=cwd, env=ENVIRONMENT, check=True)
    taken, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    return taken * 1e3, (after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime) * 1e3


def main() -> None:
    """Run, print; exit 1 where the budget is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=40)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "own.rego").write_text(RULE)
        own = [str(folder / "own.rego")]
        rows = {
            "python -c pass": "pass",
            "first decision": FIRST.format(audit=str(folder / "a.db"), cwd=name, policies=[]),
            "with an own rule": FIRST.format(audit=str(folder / "b.db"), cwd=name, policies=own),
        }
        for code in rows.values():
            timed(code, folder)  # byte code and disk cache
        times: dict[str, list[tuple[float, float]]] = {row: [] for row in rows}
        for _ in range(args.runs):
            for row, code in rows.items():
                times[row].append(timed(code, folder))
    wall, cpu = ({row: statistics.median(pair[at] for pair in times[row]) for row in rows} for at in (0, 1))
    taken, bare = wall["first decision"], wall["python -c pass"]
    report = {"ms": wall, "cpu_ms": cpu, "ratio": taken / bare, "budget_ms": BUDGET_MS, "met": taken <= BUDGET_MS}
    if args.json:
        print(json.dumps(report, indent=2))
    else:
        for row, pairs in times.items():
            print(f"{row:18}{wall[row]:8.1f} ms (fastest {min(pairs)[0]:.1f}), CPU {cpu[row]:.1f} ms")
        print(f"ratio {taken / bare:.1f}; budget {BUDGET_MS} ms: {'met' if report['met'] else 'MISSED'}")
    sys.exit(not report["met"])


if __name__ == "__main__":
    main()
