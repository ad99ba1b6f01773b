"""``hitl-opa replay``: recorded calls through another policy."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cache, partial
from pathlib import Path
from typing import Any

import click
import msgspec

from hitl_opa.audit import Filter
from hitl_opa.cli.options import config_option
from hitl_opa.cli.output import Progress, heading, say, table, verdict
from hitl_opa.cli.record import chosen, filters, open_record
from hitl_opa.config import FILE, Config, load_config
from hitl_opa.errors import ConfigError
from hitl_opa.guard.opening import open_engine
from hitl_opa.model import Engine, ToolCall
from hitl_opa.replay import Direction, Group, Recorded, Replay, Replayed, Summary, recorded, summarise
from hitl_opa.replay.candidate import candidate
from hitl_opa.replay.imports import Source, read
from hitl_opa.replay.imports.read import Item
from hitl_opa.replay.reading import Reading
from hitl_opa.replay.replay import replay_in
from hitl_opa.terminal.text import Line, Span, spans

FORMATS = ["table", "json", "junit", "sarif", "markdown"]
FAILS = {
    "widened": {Direction.WIDENED},
    "tightened": {Direction.TIGHTENED},
    "changed": {Direction.WIDENED, Direction.TIGHTENED},
    "nothing": set[Direction](),
}
_STYLES = {Direction.WIDENED: "danger", Direction.TIGHTENED: "yellow", Direction.OTHERWISE: "dim"}


@click.command(short_help="Recorded calls through another policy: which verdicts change.")
@click.argument("sources", nargs=-1, type=click.Path(exists=True, path_type=Path), metavar="[FILE ...]")
@click.option(
    "--policy",
    "policies",
    multiple=True,
    type=click.Path(exists=True, path_type=Path),
    help="The policy to try: rules (files or directories) in place of the settings' own, or another hitl.yaml.",
)
@click.option("--from", "source", type=click.Choice([s.value for s in Source]), help="What wrote the files.")
@click.option("--level", type=click.IntRange(1, 4), help="Judge at this autonomy level, not the recorded one.")
@click.option("--format", "form", type=click.Choice(FORMATS), default="table", show_default=True)
@click.option("-o", "--out", type=click.Path(dir_okay=False, path_type=Path), help="Write the report to this file.")
@click.option("--also", multiple=True, metavar="FORMAT=FILE", help="Write another report too; may be repeated.")
@click.option("--fail-on", type=click.Choice(list(FAILS)), default="widened", show_default=True)
@click.option("--examples", default=5, show_default=True, type=click.IntRange(0), help="Examples a rule and agent.")
@click.option("--jobs", default=1, show_default=True, type=click.IntRange(1), help="In so many processes.")
@click.option("--db", metavar="FILE|URL", help="The record's database.  [default: the settings']")
@config_option
@filters
def replay(
    sources: tuple[Path, ...],
    policies: tuple[Path, ...],
    source: str | None,
    level: int | None,
    form: str,
    out: Path | None,
    also: tuple[str, ...],
    fail_on: str,
    examples: int,
    jobs: int,
    db: str | None,
    config: Path | None,
    **options: Any,
) -> None:
    """Put recorded calls through another policy, and say which verdicts change.

    \b
    hitl-opa replay --policy new-policy               the record, by the rules in new-policy
    hitl-opa replay --policy branch/hitl.yaml --since 30d
    hitl-opa replay export.jsonl --policy policy --format markdown
    hitl-opa replay ~/.claude/projects --policy policy    what it would have said of past sessions

    FILEs are exports of a record, OPA decision logs, OpenTelemetry (OTLP as JSON), transcripts of Claude
    Code or tool calls; without any, the record itself is replayed. Where a decision was recorded it is what
    the new one is compared with, on the facts recorded then; else the settings' own policy is asked.

    Exit code 1 where a verdict changed as --fail-on says.
    """
    settings = load_config(config)
    other = candidate(settings, policies)
    reports = [_named(text) for text in also]
    only = chosen(options)
    with ExitStack() as stack:
        reading = _reading(settings, bool(policies), level, stack)
        items = _items(sources, source, only, db, config, stack)
        calls = (reading(item) if isinstance(item, ToolCall) else item for item in items)
        started = time.perf_counter()
        summary = summarise(_counted(_replayed(calls, other, jobs, level or 0, stack)), examples=examples)
        taken = time.perf_counter() - started
    summary = msgspec.structs.replace(summary, notes=_notes(summary, reading.count, taken, jobs))
    for name, file in reports:  # first: who reads the rest may stop in the middle of it
        _write(name, file, summary, fail_on, other)
    _write(form, out, summary, fail_on, other)
    if any(group.direction in FAILS[fail_on] for group in summary.groups):
        sys.exit(1)


def _reading(settings: Config, compare: bool, level: int | None, stack: ExitStack) -> Reading:
    at_level = settings if level is None else msgspec.structs.replace(settings, level=level)
    return Reading(at_level, _asking(settings, stack) if compare else None)


def _asking(settings: Config, stack: ExitStack) -> Callable[[bytes], bytes]:
    """Evaluates by the policy of these settings, which is loaded when it is first asked."""

    @cache
    def engine() -> Engine:
        opened = open_engine(settings)
        stack.callback(opened.close_sync)
        return opened

    return lambda document: engine().evaluate_sync(document)


def _items(
    sources: tuple[Path, ...], source: str | None, only: Filter, db: str | None, config: Path | None, stack: ExitStack
) -> Iterator[Item]:
    if not sources:
        log = stack.enter_context(open_record(config=config, db=db))
        wanted = msgspec.structs.replace(only, kind="decision")
        yield from filter(None, (recorded(leaf, payload) for leaf, payload in log.leaves(wanted)))
        return
    if only.named():
        raise ConfigError("filters choose from the record; they cannot be used with files")
    for path in sources:
        yield from read(path, Source(source) if source else None)


def _replayed(calls: Iterator[Recorded], other: Config, jobs: int, level: int, stack: ExitStack) -> Iterator[Replayed]:
    if jobs > 1:
        yield from replay_in(jobs, partial(open_engine, other), calls, level=level)
        return
    engine = open_engine(other)
    stack.callback(engine.close_sync)
    yield from Replay(engine, level=level).all(calls)


def _counted(replayed: Iterator[Replayed]) -> Iterator[Replayed]:
    progress = Progress("calls replayed")
    for number, one in enumerate(replayed, 1):
        progress.at(number)
        yield one
    progress.done()


def _notes(summary: Summary, imported: int, taken: float, jobs: int) -> list[str]:
    notes = []
    if imported:
        notes.append(
            f"Of {imported:,} call(s) only the call was known: their facts (files, scripts, links) were read now, "
            "on this machine, and people's answers are not known."
        )
    if summary.undecided:
        notes.append(f"{summary.undecided:,} call(s) had no decision to compare with.")
    if summary.replayed > imported:
        notes.append("Counters and taint of a session are as recorded: another policy would have changed them too.")
    if summary.calls >= 1000:
        notes.append(
            f"{summary.calls:,} calls in {taken:.1f} s: {summary.calls / taken:,.0f} a second, {jobs} process(es)."
        )
    return notes


def _named(text: str) -> tuple[str, Path]:
    name, equals, file = text.partition("=")
    if name not in FORMATS or not equals or not file:
        raise ConfigError(f"--also {text}: write FORMAT=FILE, FORMAT one of {', '.join(FORMATS)}")
    return name, Path(file)


def _write(form: str, out: Path | None, summary: Summary, fail_on: str, other: Config) -> None:
    if form == "table":
        if out is not None:
            raise ConfigError("the table is for a terminal; write another format to a file")
        _tell(summary)
        return
    text = _text(form, summary, fail_on, other)
    if out is None:
        click.echo(text, nl=False)
    else:
        out.write_text(text, encoding="utf-8")


def _text(form: str, summary: Summary, fail_on: str, other: Config) -> str:
    from hitl_opa.replay import reports

    match form:
        case "junit":
            return reports.junit(summary, FAILS[fail_on])
        case "markdown":
            return reports.markdown(summary)
        case "sarif":
            value: Any = reports.sarif(summary, _places(other), _relative(other.path(FILE)))
        case _:
            value = summary
    return msgspec.json.format(msgspec.json.encode(value), indent=2).decode() + "\n"


def _places(other: Config) -> dict[str, tuple[str, int]]:
    """Where each of the user's rules is: its file, relative to here, and line."""
    from hitl_opa.policy.bundle import load_bundle
    from hitl_opa.policy.metadata import read_annotations

    bundle = load_bundle(*(other.path(p) for p in other.policies))
    found = {}
    for name in sorted(bundle.users & bundle.modules.keys()):
        for annotation in read_annotations(name, bundle.modules[name]):
            if "id" in annotation.custom:
                found[str(annotation.custom["id"])] = (_relative(Path(name)), annotation.line)
    return found


def _relative(path: Path) -> str:
    return Path(os.path.relpath(path)).as_posix()


def _tell(summary: Summary) -> None:
    say(f"{summary.replayed:,} of {summary.calls:,} calls replayed")
    header = ["", *(name for name in ("allow", "ask", "deny"))]
    table(header, [[when, *(f"{v.get(n, 0):,}" for n in header[1:])] for when, v in summary.verdicts.items() if v])
    for way in (Direction.WIDENED, Direction.TIGHTENED, Direction.OTHERWISE):
        groups = [group for group in summary.groups if group.direction is way]
        if not groups:
            continue
        heading(f"{way}  {sum(group.count for group in groups):,}")
        table(["calls", "rule", "agent", "verdicts"], [_row(group) for group in groups], shrink=1, indent=2)
        if way is not Direction.OTHERWISE:
            for group in groups:
                _tell_examples(group)
    if not summary.groups and summary.undecided < summary.replayed:
        say(Span("no verdict changes", "green"))
    if summary.skipped:
        heading("not replayed")
        for why, count in summary.skipped.items():
            say(f"{count:,}  ", *spans(why), indent=2)
    for note in summary.notes:
        say(*spans(note, "dim"))


def _row(group: Group) -> list[Line | str]:
    moves = ", ".join(f"{move} x {count:,}" for move, count in group.moves.items())
    return [f"{group.count:,}", spans(group.rule, _STYLES[group.direction]), group.agent, moves]


def _tell_examples(group: Group) -> None:
    for example in group.examples:
        line: Line = [verdict(example.before.verdict), Span(" -> "), verdict(example.after.verdict), Span("  ")]
        where = f"  {example.id[:8]}" if example.id else ""
        say(
            *line,
            *spans(f"{example.tool} {example.what}"),
            *spans(f"{where}  [{group.rule}]", "dim"),
            indent=2,
            hanging=4,
        )
