"""How many recorded calls a second a core are replayed. Budget: 2,000.

    python benchmarks/replay.py [--calls 5000] [--json]

A guard decides mixed tool calls in sessions, on disk; then the record is replayed through the shipped
policies in one process, and rates are per second of CPU time of that process, wall clock beside it.
In the same run: the engine alone on the same documents, and reading the record alone.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from decide import PLACE, calls

from hitl_opa import Guard, ToolCall
from hitl_opa.audit import AuditLog, Filter
from hitl_opa.config import Config
from hitl_opa.guard.opening import open_engine
from hitl_opa.model import Session
from hitl_opa.replay import Recorded, Replay, recorded, summarise

BUDGET = 2000


def varied(count: int) -> list[ToolCall]:
    """Mixed calls of 50 a session, on different files."""
    rng = random.Random(1)
    mixed = calls()
    found = []
    for number in range(count):
        call = rng.choice(mixed)
        given = {
            k: v.replace("src/", f"src/p{rng.randrange(40)}/") if isinstance(v, str) else v
            for k, v in call.input.items()
        }
        session = Session(id=f"s{number // 50}", agent_id=f"agent-{number // 50 % 5}")
        found.append(ToolCall(tool=call.tool, input=given, id=f"c{number}", session=session, **PLACE))
    return found


def rate(count: int, run: Callable[[], object]) -> dict[str, float]:
    """Calls a second of this process's CPU, and of the clock."""
    cpu, wall = time.process_time(), time.perf_counter()
    run()
    return {"cpu": count / (time.process_time() - cpu), "wall": count / (time.perf_counter() - wall)}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=5000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        config = Config(level=3, audit=str(Path(name) / "hitl.db"), root=name)
        guard = Guard.open(config)
        for call in varied(arguments.calls):
            guard.decide_sync(call)
        guard.close_sync()
        engine = open_engine(config)
        replay = Replay(engine)
        with AuditLog.open(config.audit, readonly=True) as log:

            def read() -> Iterator[Recorded]:
                return filter(None, (recorded(*texts) for texts in log.leaves(Filter(kind="decision"))))

            documents = [one.document for one in read()]
            rounds: dict[str, list[dict[str, float]]] = {"replay": [], "engine alone": [], "reading alone": []}
            for _ in range(arguments.rounds):
                rounds["replay"].append(rate(len(documents), lambda: summarise(replay.all(read()))))
                rounds["engine alone"].append(
                    rate(len(documents), lambda: [engine.evaluate_sync(d) for d in documents])
                )
                rounds["reading alone"].append(rate(len(documents), lambda: deque(read(), maxlen=0)))
            summary = summarise(replay.all(read()))
        engine.close_sync()
    if summary.same != arguments.calls:
        print(f"only {summary.same} of {arguments.calls} calls are decided as they were", file=sys.stderr)
        return 1
    result: dict[str, Any] = {
        row: {clock: statistics.median(one[clock] for one in found) for clock in ("cpu", "wall")}
        for row, found in rounds.items()
    }
    if arguments.json:
        print(json.dumps({"calls": arguments.calls, "budget": BUDGET, **result}, indent=2))
    else:
        for row, found in result.items():
            print(f"{row:<16}{found['cpu']:>10,.0f} calls/s a core{found['wall']:>12,.0f} calls/s by the clock")
        print(f"budget          {BUDGET:>10,} calls/s a core")
    return 0 if result["replay"]["cpu"] >= BUDGET else 1


if __name__ == "__main__":
    sys.exit(main())
