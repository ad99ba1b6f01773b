"""Finding what people decided the same way, again and again."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence

import msgspec

from hitl_opa.feedback.cases import Case
from hitl_opa.feedback.pattern import Pattern, key
from hitl_opa.feedback.rule import Rule, render
from hitl_opa.metrics.hygiene import Sieve
from hitl_opa.model import Document

Judge = Callable[[Rule | None, Sequence[Document]], list[str]]
"""Takes a rule and calls, and returns the verdict on each by today's policy with this rule added (None: as it is)."""

_RISKS = ("low", "medium", "high", "critical")


class Backtest(msgspec.Struct, frozen=True, kw_only=True):
    """What the rule would change today: calls by old and new verdict (``ask>allow``), of ``calls`` with its tool.
    ``contradicted``: decisions of people that it would have gone against."""

    calls: int
    changes: dict[str, int]
    contradicted: list[str]


class Suggestion(msgspec.Struct, frozen=True, kw_only=True):
    """A rule that says beforehand what people have said each time. ``support``: how often that counted, by whom;
    ``left_out``: how many did not count, by why. ``widens``: with it, what asked or was denied runs alone."""

    rule: Rule
    pattern: Pattern
    verdict: str
    waives: list[str]
    support: int
    left_out: dict[str, int]
    widens: bool
    reviewers: list[str]
    categories: dict[str, int]
    backtest: Backtest
    decisions: list[str]


class Suggestions(msgspec.Struct, frozen=True, kw_only=True):
    """What was found, most support first, and how many decisions of people did not count in any group, by why."""

    suggestions: list[Suggestion]
    left_out: dict[str, int]


def suggest(found: Iterable[Case], judge: Judge, *, least: int = 8, reviewers: int = 1) -> Suggestions:
    """Rules for what was decided alike at least ``least`` times by at least ``reviewers`` people.

    What counts is what counts for autonomy: no rubber stamps, no call twice, of a batch one, nobody who lets planted
    requests pass. A group in which people disagreed suggests nothing, and neither does a rule that would have gone
    against a decision of somebody's, or changed no verdict at all. Edits count as rejections of what was asked.
    """
    everything = list(found)
    groups: dict[tuple[object, ...], list[Case]] = defaultdict(list)
    for case in everything:
        if case.choice in {"approve", "reject", "edit"} and case.asked:
            groups[(*key(case.document), case.asked)].append(case)
    suggestions = []
    total: Counter[str] = Counter()
    for group in groups.values():
        counted, left_out = _sifted(group)
        total += left_out
        people = sorted({name for case in counted for name in case.reviewers})
        choices = {"approve" if case.choice == "approve" else "reject" for case in group}
        distinct = {msgspec.json.encode(case.document.call.input, order="sorted") for case in counted}
        # the very same call again and again is what standing grants are for
        if len(counted) < least or len(people) < reviewers or len(choices) != 1 or len(distinct) < 2:
            continue
        one = _suggestion(counted, people, choices.pop(), everything, judge)
        if one is not None:
            suggestions.append(msgspec.structs.replace(one, left_out=dict(left_out)))
    return Suggestions(suggestions=sorted(suggestions, key=lambda s: (-s.support, s.rule.name)), left_out=dict(total))


def _sifted(group: list[Case]) -> tuple[list[Case], Counter[str]]:
    """The cases that are evidence, and how many are not, by why."""
    counted: list[Case] = []
    left_out: Counter[str] = Counter()
    sieve = Sieve()
    for case in group:
        why = case.doubt or sieve.why_not(case.digest, case.batch, approved=case.choice == "approve")
        if why:
            left_out[why] += 1
        else:
            counted.append(case)
    return counted, left_out


def _suggestion(
    group: list[Case], people: list[str], choice: str, everything: list[Case], judge: Judge
) -> Suggestion | None:
    pattern = Pattern.of([case.document for case in group])
    if pattern is None:
        return None
    allows = choice == "approve"
    categories = Counter(case.category for case in group if case.category)
    risk = max((str(case.decision.risk) for case in group), key=_RISKS.index)
    about = f"{pattern.tool}: {', '.join(pattern.programs) or ', '.join(verb for verb, _, _ in pattern.shapes)}"
    why = f" ({categories.most_common(1)[0][0]})" if categories else ""
    rule = render(
        pattern,
        verdict="allow" if allows else "deny",
        risk=risk,
        waives=sorted(group[0].asked) if allows else [],
        message=f"People {'approved' if allows else 'rejected'} this {len(group)} times{why}. {about}",
        example=group[-1].document,
        learned=[case.id for case in group],
    )
    backtest = _backtest(rule, pattern, everything, judge)
    if backtest.contradicted or not backtest.changes:
        return None
    return Suggestion(
        rule=rule,
        pattern=pattern,
        verdict="allow" if allows else "deny",
        waives=sorted(group[0].asked) if allows else [],
        support=len(group),
        left_out={},
        widens=any(change.endswith(">allow") for change in backtest.changes),
        reviewers=people,
        categories=dict(categories),
        backtest=backtest,
        decisions=[case.id for case in group],
    )


def _backtest(rule: Rule, pattern: Pattern, everything: list[Case], judge: Judge) -> Backtest:
    met = [case for case in everything if case.document.call.tool == pattern.tool]
    documents = [case.document for case in met]
    changes: Counter[str] = Counter()
    contradicted = []
    for case, old, new in zip(met, judge(None, documents), judge(rule, documents), strict=True):
        if new == old:
            continue
        changes[f"{old}>{new}"] += 1
        if (new == "allow" and case.choice in {"reject", "edit"}) or (new == "deny" and case.choice == "approve"):
            contradicted.append(case.id)
    return Backtest(calls=len(met), changes=dict(changes), contradicted=contradicted)
