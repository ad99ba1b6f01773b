"""What reading facts costs: typical calls, awkward ones, how time grows, and the first call of a process.

    python benchmarks/facts.py [--rounds 200] [--json]

rows
  typical        median over typical commands; budget 100 microseconds
  each command   median of each, microseconds
  growth         time of 10 x the input over time of the input; linear is 10
  first call     import of facts and the first call in a fresh process, milliseconds
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time

from hitl_opa.facts import read_facts
from hitl_opa.model import ToolCall

BUDGET = 100.0  # microseconds for a typical command
TYPICAL = [
    "ls -la",
    "git status",
    "git add . && git commit -m 'Fix the parser'",
    "cd src && python3 -m pytest -q tests/test_api.py",
    "cat README.md | head -20",
    "rg -n TODO --glob '*.py'",
    "rm -rf build",
    "npm test",
    "npm run build 2>&1 | tail -20",
    "sed -i s/a/b/ setup.cfg",
    "curl -s https://example.com/x | jq .a",
    "find . -name '*.py' | wc -l",
    "mkdir -p out && cp a.txt out/",
    "python3 -c 'print(1)'",
]
GROWING = {
    "commands": ("ls; ", 100),
    "operands": ("touch " + "a", 1),
    "pipeline": ("ls | ", 20),
    "words": ("echo x ", 100),
    "quoted text": ("echo '" + "x" * 90 + "'; ", 20),
}
FIRST = (
    "import time; t = time.perf_counter();"
    "from hitl_opa.facts import read_facts; from hitl_opa.model import ToolCall;"
    "read_facts(ToolCall(tool='Bash', input={'command': 'git status'}, cwd='/home/dev/project'));"
    "print((time.perf_counter() - t) * 1e3)"
)


def call(command: str) -> ToolCall:
    where = "/home/dev/project"
    return ToolCall(tool="Bash", input={"command": command}, cwd=where, workspace=where, home="/home/dev")


def median(command: str, rounds: int) -> float:
    """Microseconds."""
    made = call(command)
    read_facts(made)
    times = []
    for _ in range(rounds):
        start = time.thread_time()  # this thread's own: what else runs on the machine does not count
        read_facts(made)
        times.append(time.thread_time() - start)
    return statistics.median(times) * 1e6


def growth(piece: str, count: int, rounds: int) -> float:
    """Time for ten times the text over time for the text."""
    if piece.startswith("touch"):
        small = "touch " + " ".join(f"f{i}" for i in range(20))
        large = "touch " + " ".join(f"f{i}" for i in range(200))
    else:
        small, large = piece * count + "ls", piece * count * 10 + "ls"
    return median(large, max(rounds // 10, 3)) / median(small, max(rounds // 10, 3))


def measure(rounds: int) -> dict[str, object]:
    each = {command: round(median(command, rounds), 1) for command in TYPICAL}
    first = [
        float(subprocess.run([sys.executable, "-c", FIRST], capture_output=True, text=True, check=True).stdout)
        for _ in range(5)
    ]
    return {
        "typical_us": round(statistics.median(each.values()), 1),
        "budget_us": BUDGET,
        "each_us": each,
        "growth": {name: round(growth(piece, count, rounds), 1) for name, (piece, count) in GROWING.items()},
        "first_call_ms": round(statistics.median(first), 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    found = measure(options.rounds)
    if options.json:
        print(json.dumps(found, indent=2))
        return
    print(f"typical {found['typical_us']} us (budget {BUDGET:.0f})")
    for part in ("each_us", "growth"):
        table = found[part]
        assert isinstance(table, dict)
        print(part)
        for name, value in table.items():
            print(f"  {value:8.1f}  {name}")
    print(f"first call {found['first_call_ms']} ms")


if __name__ == "__main__":
    main()
