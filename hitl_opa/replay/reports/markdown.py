"""A summary for a pull request. What agents typed is quoted so that it formats, links and mentions nothing."""

from __future__ import annotations

from collections.abc import Iterator

from hitl_opa.markdown import code, plain
from hitl_opa.replay.summary import Direction, Example, Group, Summary

_LIMIT = 60_000  # characters; a comment on GitHub may have 65,536
_TITLES = {
    Direction.WIDENED: "Widened: more may run, or fewer people are asked",
    Direction.TIGHTENED: "Tightened",
    Direction.OTHERWISE: "Same verdict, other rules or risk",
}


def markdown(summary: Summary, *, title: str = "Policy replay") -> str:
    """Headline, what changed by rule and agent, examples, and what could not be replayed."""
    text = "\n".join(_lines(summary, title)) + "\n"
    return (
        text if len(text) <= _LIMIT else f"{text[:_LIMIT].rpartition(chr(10))[0]}\n\n… and more: see the JSON report.\n"
    )


def _lines(summary: Summary, title: str) -> Iterator[str]:
    yield f"## {title}"
    yield ""
    yield _headline(summary)
    yield ""
    if summary.verdicts["after"]:
        names = [name for name in ("allow", "ask", "deny") if any(name in v for v in summary.verdicts.values())]
        yield f"| | {' | '.join(names)} |"
        yield f"|---|{'---:|' * len(names)}"
        for when, counts in summary.verdicts.items():
            if counts:
                yield f"| {when} | {' | '.join(f'{counts.get(name, 0):,}' for name in names)} |"
        yield ""
    for way, heading in _TITLES.items():
        groups = [group for group in summary.groups if group.direction is way]
        if groups:
            yield f"### {heading}"
            yield ""
            yield from _table(groups)
            if way is not Direction.OTHERWISE:
                yield from _examples(groups)
    if summary.skipped:
        yield "### Not replayed"
        yield ""
        yield from (f"- {count:,}: {plain(why)}" for why, count in summary.skipped.items())
        yield ""
    yield from (f"_{plain(note)}_" for note in summary.notes)


def _headline(summary: Summary) -> str:
    if summary.undecided == summary.replayed:
        return f"**{summary.replayed:,}** calls judged; there was no decision to compare with."
    compared = summary.replayed - summary.undecided
    said = f"**{compared:,}** calls replayed: **{summary.widened:,} widened**, **{summary.tightened:,} tightened**, "
    return said + f"{summary.otherwise:,} for other reasons, {summary.same:,} the same."


def _table(groups: list[Group]) -> Iterator[str]:
    yield "| rule | agent | calls | verdicts |"
    yield "|---|---|---:|---|"
    for group in groups:
        moves = ", ".join(f"{move} × {count:,}" for move, count in group.moves.items())
        yield f"| {code(group.rule)} | {code(group.agent) if group.agent else ''} | {group.count:,} | {plain(moves)} |"
    yield ""


def _examples(groups: list[Group]) -> Iterator[str]:
    yield "<details><summary>Examples</summary>"
    yield ""
    for group in groups:
        yield from (_example(example) for example in group.examples)
    yield ""
    yield "</details>"
    yield ""


def _example(example: Example) -> str:
    before, after = example.before, example.after
    rules = (
        f"{', '.join(map(code, before.rules[:3])) or 'nothing'} → {', '.join(map(code, after.rules[:3])) or 'nothing'}"
    )
    where = f" ({code(example.id[:8])})" if example.id else ""
    return f"- **{before.verdict} → {after.verdict}** {code(example.tool)} {code(example.what)}{where}: {rules}"
