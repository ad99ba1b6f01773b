"""Statistics of trust: two numbers that may be looked at after every decision, and mean the same each time.

A confidence interval promises 5 % errors for one look; looked at after each decision, it promotes a tool
that is exactly at its bar in a quarter of all runs. The mixture e-value here keeps its promise however
often it is looked at (Ville's inequality); the sum that demotes is Page's CUSUM.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import msgspec

ALPHA = 0.05
"""How often a tool that is exactly at its bar may be promoted, over all the looks together."""

ALTERNATIVES: Mapping[float, tuple[float, ...]] = {
    0.90: (0.93, 0.95, 0.97, 0.99, 1.0),
    0.95: (0.97, 0.98, 0.99, 0.995, 1.0),
    0.99: (0.994, 0.996, 0.998, 0.999, 1.0),
}
"""Bar to the rates that the mixture bets on."""

GOOD, BAD, ALARM = 0.02, 0.10, 3.5
"""CUSUM: the rate of failures that is expected, the one to be noticed, and the sum that says so."""


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """Approved unchanged (``successes``) and not (``failures``), against ``bar``; ``failing`` is the CUSUM."""

    bar: float = 0.95
    successes: int = 0
    failures: int = 0
    failing: float = 0.0

    def __post_init__(self) -> None:
        if self.bar not in ALTERNATIVES:
            raise ValueError(f"bar is {self.bar}: it is one of {', '.join(map(str, ALTERNATIVES))}")

    def after(self, success: bool) -> Evidence:
        """With one more decision."""
        step = math.log((1 - BAD) / (1 - GOOD)) if success else math.log(BAD / GOOD)
        return Evidence(
            bar=self.bar,
            successes=self.successes + success,
            failures=self.failures + (not success),
            failing=max(0.0, self.failing + step),
        )

    @property
    def e_value(self) -> float:
        """The mean over the alternatives of how much better each explains what was seen than the bar does.

        Above ``1 / alpha``, the rate of approval is above the bar, with error ``alpha`` at any time.
        """
        return sum(math.exp(self._log(rate)) for rate in ALTERNATIVES[self.bar]) / len(ALTERNATIVES[self.bar])

    @property
    def worded(self) -> str:
        """The e-value for people to read: what is far below or above all that is needed is said to be so."""
        if self.e_value < 0.01:
            return "under 0.01"
        if self.e_value >= 1_000_000:
            return "over 1,000,000"
        return f"{self.e_value:,.0f}" if self.e_value >= 100 else f"{self.e_value:.3g}"

    def progress(self, alpha: float) -> float:
        """How far the evidence is on its way to ``1 / alpha``, 0 to 1, by the factor that each decision adds."""
        return min(max(math.log(max(self.e_value, 1.0)) / math.log(1 / alpha), 0.0), 1.0)

    def _log(self, rate: float) -> float:
        if self.failures and rate == 1.0:
            return -math.inf
        gained = self.successes * math.log(rate / self.bar)
        # a rate near 1 makes one failure weigh much; beyond what a float holds it weighs no less
        lost = self.failures * math.log((1 - rate) / (1 - self.bar)) if self.failures else 0.0
        return min(gained + lost, 700.0)

    @property
    def failing_now(self) -> bool:
        """Whether failures have become so frequent that the level must come down."""
        return self.failing >= ALARM

    @property
    def lower_bound(self) -> float:
        """Clopper and Pearson's lower 95 % bound of the rate of approval (one-sided), for people to look at."""
        n, k = self.successes + self.failures, self.successes
        if k == 0:
            return 0.0
        low, high = 0.0, 1.0
        for _ in range(60):  # the tail falls with p: bisect where it is alpha
            middle = (low + high) / 2
            low, high = (middle, high) if _tail(n, k, middle) < ALPHA else (low, middle)
        return low


def _tail(n: int, k: int, p: float) -> float:
    """P(X >= k) of a binomial, summed from its logarithms."""
    if p <= 0.0:
        return 0.0
    total = 0.0
    for i in range(k, n + 1):
        log = math.lgamma(n + 1) - math.lgamma(i + 1) - math.lgamma(n - i + 1)
        log += i * math.log(p) + ((n - i) * math.log1p(-p) if p < 1 and i < n else 0.0)
        total += math.exp(log)
    return total
