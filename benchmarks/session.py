"""What the guard adds to a tool call of a real Claude Code session, offline, beside what empty hooks add.

    python benchmarks/session.py [--pairs 40] [--rounds 3] [--json]

Paired: a session alternates two identical in-process tools, and only one of them meets the row's
hooks; a sample is the time from one model reply to the next request for that tool, less the same
for its unguarded neighbour. Sessions of all rows take turns. Medians in milliseconds, 95% bootstrap
confidence intervals. The budget compares the guard with empty PreToolUse and PostToolUse hooks; exit 1 where it is
missed.
"""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import itertools
import json
import random
import statistics
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

from claude_agent_sdk import ClaudeAgentOptions, HookMatcher, create_sdk_mcp_server, tool

from hitl_opa.claude.replies import allow
from hitl_opa.guard import Guard
from hitl_opa.testing import run_agent, tool_use

GUARDED, FREE = "mcp__bench__guarded", "mcp__open__free"
WARM = 4
BUDGET = 1.2
Make = Callable[[ClaudeAgentOptions], ClaudeAgentOptions]


@tool("guarded", "Does nothing.", {"n": int})
async def guarded(_: dict[str, Any]) -> dict[str, Any]:
    return {"content": [{"type": "text", "text": "ok"}]}


@tool("free", "Does nothing.", {"n": int})
async def free(_: dict[str, Any]) -> dict[str, Any]:
    return {"content": [{"type": "text", "text": "ok"}]}


def only_one(options: ClaudeAgentOptions) -> ClaudeAgentOptions:
    """The same hooks, for one of the two tools."""
    hooks = {
        event: [dataclasses.replace(matcher, matcher=GUARDED) for matcher in matchers]
        for event, matchers in (options.hooks or {}).items()
        if event in ("PreToolUse", "PostToolUse")
    }
    return dataclasses.replace(options, hooks=cast("Any", hooks))


def empty(options: ClaudeAgentOptions) -> ClaudeAgentOptions:
    async def hook(*_: Any) -> Any:
        return {}

    matcher = HookMatcher(hooks=[hook])
    return only_one(dataclasses.replace(options, hooks={"PreToolUse": [matcher], "PostToolUse": [matcher]}))


def allowing(options: ClaudeAgentOptions) -> ClaudeAgentOptions:
    """Hooks that answer what the guard answers, and do nothing for it."""

    async def before(*_: Any) -> Any:
        return allow("Benchmark.")

    async def after(*_: Any) -> Any:
        return {}

    hooks: Any = {"PreToolUse": [HookMatcher(hooks=[before])], "PostToolUse": [HookMatcher(hooks=[after])]}
    return only_one(dataclasses.replace(options, hooks=hooks))


def protected(guard: Guard) -> Make:
    """The guard on one of the two tools: the other's server is left as it was too."""

    def make(options: ClaudeAgentOptions) -> ClaudeAgentOptions:
        options_of_guard = only_one(guard.protect(options))
        servers = {**cast("Any", options_of_guard.mcp_servers), "open": cast("Any", options.mcp_servers)["open"]}
        return dataclasses.replace(options_of_guard, mcp_servers=servers)

    return make


async def session(make: Make, pairs: int) -> list[float]:
    """The added milliseconds of each pair of one session."""
    options = ClaudeAgentOptions(
        permission_mode="bypassPermissions",
        setting_sources=[],
        mcp_servers={
            "bench": create_sdk_mcp_server("bench", tools=[guarded]),
            "open": create_sdk_mcp_server("open", tools=[free]),
        },
    )
    calls = [tool_use(name, n=n) for n in range(pairs + WARM) for name in (GUARDED, FREE)]
    run = await run_agent([*calls, "done"], make(options), timeout=300)
    bad = [call.told for call in run.calls if call.told != "ok"]
    if run.error or bad:
        raise RuntimeError(f"the session failed: {run.error or bad[0]}")
    times = run.model.times
    gaps = [
        (asked - answered) * 1000
        for (what, answered), (then, asked) in itertools.pairwise(times)
        if (what, then) == ("answered", "asked")
    ]
    return [gaps[i] - gaps[i + 1] for i in range(2 * WARM, len(calls), 2)]


def interval(statistic: Callable[[], float]) -> tuple[float, float]:
    values = sorted(statistic() for _ in range(2000))
    return values[50], values[1949]


def resampled(values: list[float]) -> float:
    return statistics.median(random.choices(values, k=len(values)))


async def measure(pairs: int, rounds: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        memory = Guard.open(level=4, audit=":memory:")
        durable = Guard.open(level=4, audit=str(Path(folder) / "record.db"))
        rows: dict[str, Make] = {
            "nothing": lambda options: options,
            "empty hooks": empty,
            "hooks that allow": allowing,
            "guard, record in memory": protected(memory),
            "guard, durable record": protected(durable),
        }
        added: dict[str, list[float]] = {name: [] for name in rows}
        for _ in range(rounds):
            for name, make in rows.items():
                added[name] += await session(make, pairs)
        await memory.close()
        await durable.close()
    base = added["empty hooks"]
    result: dict[str, Any] = {"pairs": pairs * rounds, "budget": BUDGET, "rows": []}
    for name, values in added.items():
        low, high = interval(lambda values=values: resampled(values))  # type: ignore[misc]
        ratio_low, ratio_high = interval(lambda values=values: resampled(values) / resampled(base))  # type: ignore[misc]
        result["rows"].append(
            {
                "row": name,
                "added_ms": round(statistics.median(values), 2),
                "ci": [round(low, 2), round(high, 2)],
                "ratio": round(statistics.median(values) / statistics.median(base), 2),
                "ratio_ci": [round(ratio_low, 2), round(ratio_high, 2)],
            }
        )
    return result


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=40)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    result = asyncio.run(measure(arguments.pairs, arguments.rounds))
    missed = any(row["ratio"] > BUDGET for row in result["rows"] if row["row"].startswith("guard"))
    if arguments.json:
        print(json.dumps(result))
        return int(missed)
    print(f"{'':26} {'added ms':>9} {'95% CI':>16} {'x empty hooks':>14} {'95% CI':>14}")
    for row in result["rows"]:
        ci = "{:.2f} .. {:.2f}".format(*row["ci"])
        ratio = "{:.2f} .. {:.2f}".format(*row["ratio_ci"])
        print(f"{row['row']:26} {row['added_ms']:9.2f} {ci:>16} {row['ratio']:14.2f} {ratio:>14}")
    verdict = "MISSED" if missed else "met"
    print(f"{result['pairs']} pairs a row; budget: the guard at most {BUDGET} x empty hooks: {verdict}")
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
