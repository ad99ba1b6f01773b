"""What Claude Code's command hook costs: its process beside `python -c pass`, runs alternating.

    python benchmarks/hook.py [--runs 60] [--json]

The hook runs as `hitl-opa init --claude-code` writes it, against a server in this process that answers at once
(so that the process alone is timed), and against a real `hitl-opa serve`. The budget is on the first.
"""

from __future__ import annotations

import argparse
import json
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from hitl_opa.claude.code.settings import HOOK

BUDGET = 2.0
SERVE = "from hitl_opa.cli import main; main()"
ANSWER = b"HTTP/1.1 200 OK\r\nX-Hitl-Answer: allow\r\nContent-Length: 2\r\n\r\n{}"


def answer_at_once(path: Path) -> socket.socket:
    """A server that allows everything, at no cost."""
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listening.bind(str(path))
    listening.listen()

    def serve() -> None:
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            with connection:
                connection.recv(65536)
                connection.sendall(ANSWER)

    threading.Thread(target=serve, daemon=True).start()
    return listening


def timed(command: list[str], given: bytes, cwd: Path) -> float:
    started = time.perf_counter()
    done = subprocess.run(command, input=given, cwd=cwd, stdout=subprocess.PIPE, check=True)
    taken = (time.perf_counter() - started) * 1e3
    if given and b'"allow"' not in done.stdout:
        raise SystemExit(f"the hook did not allow: {done.stdout!r}")
    return taken


def main() -> None:
    """Run, print; exit 1 where the budget is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=60)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="hitl") as name:
        folder = Path(name)
        call = {
            "hook_event_name": "PreToolUse",
            "session_id": "s",
            "tool_name": "Bash",
            "tool_input": {"command": "git status --short"},
            "tool_use_id": "t",
            "cwd": name,
        }
        listening = answer_at_once(folder / "fake.sock")
        (folder / "hitl.yaml").write_text("level: 3\n")
        server = subprocess.Popen(
            [sys.executable, "-c", SERVE, "serve", "--port", "0"], cwd=folder, stderr=subprocess.PIPE
        )
        assert server.stderr is not None
        while b"hooks on" not in server.stderr.readline():
            if server.poll() is not None:
                raise SystemExit("hitl-opa serve did not start")
        hook = [sys.executable, "-I", "-S", str(HOOK), "--socket"]
        rows = {
            "python -c pass": ([sys.executable, "-c", "pass"], b""),
            "hook": ([*hook, str(folder / "fake.sock")], json.dumps(call).encode()),
            "hook and server": ([*hook, str(folder / ".hitl" / "hitl.sock")], json.dumps(call).encode()),
        }
        times: dict[str, list[float]] = {row: [] for row in rows}
        try:
            for turn in range(args.runs + 3):
                for row, (command, given) in rows.items():
                    taken = timed(command, given, folder)
                    if turn >= 3:  # the first ones fill caches
                        times[row].append(taken)
        finally:
            server.terminate()
            server.communicate()
            listening.close()
    medians = {row: statistics.median(values) for row, values in times.items()}
    ratio = medians["hook"] / medians["python -c pass"]
    report = {"ms": medians, "ratio": ratio, "budget": BUDGET, "met": ratio <= BUDGET}
    if args.json:
        print(json.dumps(report, indent=2))
    else:
        for row, value in medians.items():
            print(f"{row:16}{value:8.1f} ms (fastest {min(times[row]):.1f})")
        print(f"ratio {ratio:.2f}; budget {BUDGET:g}: {'met' if report['met'] else 'MISSED'}")
    sys.exit(not report["met"])


if __name__ == "__main__":
    main()
