from __future__ import annotations

import itertools

import pytest

from hitl_opa.autonomy.evidence import ALTERNATIVES, Evidence


def seen(bar: float, good: int, bad: int = 0) -> Evidence:
    return Evidence(bar=bar, successes=good, failures=bad)


@pytest.mark.parametrize(("bar", "needed"), [(0.90, 36), (0.95, 72), (0.99, 367)])
def test_a_perfect_record_needs_this_many(bar: float, needed: int) -> None:
    assert seen(bar, needed - 1).e_value < 20 <= seen(bar, needed).e_value


@pytest.mark.parametrize("bar", ALTERNATIVES)
def test_at_the_bar_it_is_worth_one_on_average(bar: float) -> None:
    """What makes looking after every decision sound: under the null it is a martingale that starts at 1."""
    mean = 0.0
    for path in itertools.product([True, False], repeat=9):
        evidence, chance = Evidence(bar=bar), 1.0
        for good in path:
            evidence, chance = evidence.after(good), chance * (bar if good else 1 - bar)
        mean += chance * evidence.e_value
    assert mean == pytest.approx(1)


def test_promotion_at_the_bar_is_as_rare_as_promised() -> None:
    """Exactly, over all paths of 300 decisions."""
    promoted, paths = 0.0, {0: 1.0}
    for count in range(1, 301):
        after: dict[int, float] = {}
        for bad, chance in paths.items():
            after[bad] = after.get(bad, 0) + chance * 0.9
            after[bad + 1] = after.get(bad + 1, 0) + chance * 0.1
        paths = {bad: c for bad, c in after.items() if seen(0.9, count - bad, bad).e_value < 20}
        promoted += sum(c for bad, c in after.items() if bad not in paths)
    assert 0 < promoted <= 0.05


def test_one_failure_rules_out_perfection_and_no_more() -> None:
    assert 0 < seen(0.95, 100, 1).e_value < seen(0.95, 101).e_value


def test_what_a_float_cannot_hold_is_still_a_number() -> None:
    assert seen(0.9, 1_000_000).e_value > 1e300
    assert seen(0.9, 0, 1_000_000).e_value == 0


@pytest.mark.parametrize(("perfect", "bound"), [(59, 0.95), (299, 0.99)])
def test_the_lower_bound_of_a_perfect_record(perfect: int, bound: float) -> None:
    assert seen(0.95, perfect - 1).lower_bound < bound <= seen(0.95, perfect).lower_bound


def test_the_lower_bound_against_its_definition() -> None:
    assert seen(0.95, 0, 5).lower_bound == 0
    low = seen(0.95, 8, 2).lower_bound  # Clopper and Pearson, one-sided 95 %, 8 of 10
    assert low == pytest.approx(0.4931, abs=1e-4)


def test_failures_bring_the_sum_up_and_successes_down() -> None:
    evidence = Evidence()
    for _ in range(2):
        evidence = evidence.after(False)
    assert not evidence.failing_now
    assert evidence.after(False).failing_now
    assert evidence.after(True).failing < evidence.failing
    assert Evidence().after(True).failing == 0


def test_there_are_three_bars() -> None:
    with pytest.raises(ValueError, match=r"0\.9, 0\.95, 0\.99"):
        Evidence(bar=0.5)
