"""How often trust is given wrongly, how fast it is earned, and how fast it is lost, by simulation.

    python benchmarks/autonomy.py [--runs N] [--json]

Each run is a tool with a true rate of approval, whose evidence is looked at after every decision, as
the ladder does. False promotion: a tool exactly at its bar gets promoted at some point in 1,000
decisions; it must be at most 5 %. Beside it the same for a confidence bound that is looked at as often.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import statistics
from collections.abc import Iterator

from hitl_opa.autonomy.evidence import ALPHA, ALTERNATIVES, Evidence

DECISIONS = 1_000


def decisions(rate: float, seed: int) -> Iterator[bool]:
    dice = random.Random(seed)
    while True:
        yield dice.random() < rate


def promoted(bar: float, rate: float, seed: int) -> int:
    """After how many decisions the evidence suffices, 0 where it does not within ``DECISIONS``."""
    evidence = Evidence(bar=bar)
    for count, good in zip(range(1, DECISIONS + 1), decisions(rate, seed), strict=False):
        evidence = evidence.after(good)
        if evidence.e_value >= 1 / ALPHA:
            return count
    return 0


def exactly(bar: float) -> float:
    """The probability that a tool exactly at its bar is promoted within ``DECISIONS``, summed over all paths."""
    promoted, paths = 0.0, {0: 1.0}  # failures so far: probability of being here, not promoted
    for count in range(1, DECISIONS + 1):
        after: dict[int, float] = {}
        for failures, chance in paths.items():
            for more, p in ((0, bar), (1, 1 - bar)):
                after[failures + more] = after.get(failures + more, 0.0) + chance * p
        paths = {}
        for failures, chance in after.items():
            if chance < 1e-12:
                continue
            if Evidence(bar=bar, successes=count - failures, failures=failures).e_value >= 1 / ALPHA:
                promoted += chance
            else:
                paths[failures] = chance
    return promoted


def wilson(bar: float, rate: float, seed: int) -> int:
    """The same with Wilson's lower bound, the usual way."""
    good, z = 0, 1.645
    for n, success in zip(range(1, DECISIONS + 1), decisions(rate, seed), strict=False):
        good += success
        p = good / n
        low = (p + z * z / (2 * n) - z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))) / (1 + z * z / n)
        if n >= 10 and low >= bar:
            return n
    return 0


def noticed(rate: float, seed: int, most: int = 20_000) -> int:
    """After how many decisions failures at this rate bring the level down."""
    evidence = Evidence()
    for count, bad in zip(range(1, most + 1), decisions(rate, seed), strict=False):
        evidence = evidence.after(not bad)
        if evidence.failing_now:
            return count
    return most


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=2_000)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    runs = range(options.runs)
    climbs = []
    for bar in ALTERNATIVES:
        false = sum(promoted(bar, bar, seed) > 0 for seed in runs) / options.runs
        peeking = sum(wilson(bar, bar, seed) > 0 for seed in runs) / options.runs
        better = 1 - (1 - bar) / 5
        times = [t for seed in runs if (t := promoted(bar, better, seed))]
        climbs.append(
            {
                "bar": bar,
                "false_promotion": false,
                "false_promotion_exact": exactly(bar),
                "false_promotion_wilson": peeking,
                "decisions_if_perfect": promoted(bar, 1.0, 0),
                "true_rate": round(better, 3),
                "promoted": len(times) / options.runs,
                "decisions_median": statistics.median(times) if times else None,
            }
        )
    few = range(max(100, options.runs // 10))
    falls = [
        {"failures": rate, "decisions_mean": statistics.fmean(noticed(rate, s) for s in few)}
        for rate in (0.02, 0.10, 0.30)
    ]
    if options.json:
        print(json.dumps({"runs": options.runs, "climbs": climbs, "falls": falls}))
        return
    print(f"{options.runs} runs of {DECISIONS} decisions; false promotion must be at most {ALPHA:.0%}\n")
    print("bar    false promotion  exactly  (Wilson, peeking)  if perfect  true rate  promoted  median")
    for c in climbs:
        print(
            f"{c['bar']:.2f}  {c['false_promotion']:15.1%}  {c['false_promotion_exact']:7.1%}  "
            f"{c['false_promotion_wilson']:17.1%}  {c['decisions_if_perfect']:10}  {c['true_rate']:9}  "
            f"{c['promoted']:8.0%}  {c['decisions_median'] or '-':>6}"
        )
    print("\nfailures  noticed after (mean decisions)")
    for f in falls:
        print(f"{f['failures']:8.0%}  {f['decisions_mean']:.0f}")


if __name__ == "__main__":
    main()
