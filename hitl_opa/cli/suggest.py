"""``hitl-opa policy suggest`` and ``adopt``: from what people decided to a rule."""

from __future__ import annotations

import difflib
import re
from pathlib import Path

import click
import msgspec

from hitl_opa.audit import Event, Filter, Kind
from hitl_opa.cli.audit import moment, open_record
from hitl_opa.cli.options import config_option, json_option
from hitl_opa.cli.output import emit, heading, say, verdict, working
from hitl_opa.cli.settings import load_settings
from hitl_opa.errors import ConfigError
from hitl_opa.feedback import Suggestion, cases
from hitl_opa.feedback import suggest as find
from hitl_opa.feedback.judge import PolicyJudge
from hitl_opa.guard.opening import open_audit
from hitl_opa.terminal.text import Span, spans

_LEARNED = re.compile(r"^#\s+learned: (\[.*\])$", re.MULTILINE)


@click.command()
@click.option("--least", default=8, show_default=True, type=click.IntRange(2), help="How often it was decided alike.")
@click.option("--reviewers", default=2, show_default=True, type=click.IntRange(1), help="By how many people.")
@click.option("--since", metavar="TIME", help="Only from this time on: 2026-01-31 or 2026-01-31T12:00:00Z.")
@click.option("--write", type=click.Path(path_type=Path, file_okay=False), help="Write rules and tests here.")
@click.option("--patch", is_flag=True, help="Print a patch for `git apply`; the rules go below --write, or policy/.")
@json_option
@click.option("--db", metavar="FILE|URL", help="The record's database.  [default: the settings']")
@config_option
def suggest(
    least: int,
    reviewers: int,
    since: str | None,
    write: Path | None,
    patch: bool,
    as_json: bool,
    db: str | None,
    config: Path | None,
) -> None:
    """Suggest rules for what people decided the same way again and again.

    \b
    hitl-opa policy suggest                     what there is to learn, with its backtest
    hitl-opa policy suggest --write policy      the rules and their tests as files, to read and change
    hitl-opa policy suggest --patch | git apply     the same in a branch of yours
    hitl-opa policy adopt policy/learned_*.rego     say which you took: it counts as feedback used

    Nothing is applied by itself. A rule is suggested only if it would not have gone against any
    decision on record, lifts no floor and nothing critical, and passes its own test.
    """
    settings = load_settings(config)
    with working("Reading the record"), open_record(db=db, config=config) as log:
        read = cases(log.records(Filter(since=moment(since))), settings.autonomy.canary_catch)
        said = find(read, PolicyJudge(settings), least=least, reviewers=reviewers)
    found = said.suggestions
    if write is not None and not patch:
        _write(found, write)
    if as_json:
        written = bool(write) and not patch
        suggestions = [{**msgspec.to_builtins(one), "written": written} for one in found]
        emit({"suggestions": suggestions, "left_out": said.left_out, "erased": read.erased})
    elif patch:
        click.echo("".join(_patch(one, write or Path("policy")) for one in found), nl=False)
    else:
        _show(found, write)
        for why, count in said.left_out.items():
            say(f"left out: {count} {'decision' if count == 1 else 'decisions'} {why}")
        if read.erased:
            say(f"{read.erased} decisions could not be looked at: their input is erased, or of another version.")


@click.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@json_option
@config_option
def adopt(files: tuple[Path, ...], as_json: bool, config: Path | None) -> None:
    """Record that these suggested rules were adopted.

    The corrections and approvals that they were made from then count as feedback that was used.
    """
    ids: dict[str, list[str]] = {}
    for file in files:
        if file.name.endswith("_test.rego"):
            continue
        match = _LEARNED.search(file.read_text(encoding="utf-8"))
        if match is None:
            raise ConfigError(f"{file}: no rule of `hitl-opa policy suggest`: its METADATA has no `learned`")
        ids[file.name] = msgspec.json.decode(match[1], type=list[str])
    with open_audit(load_settings(config)) as log:
        for name, learned in ids.items():
            log.append(Event(kind=Kind.NOTE, extra={"adopted": learned, "rule": name}))
    if as_json:
        emit({"adopted": ids})
        return
    for name, learned in ids.items():
        say(f"{name}: made from {len(learned)} decisions, recorded as adopted")


def _show(found: list[Suggestion], write: Path | None) -> None:
    if not found:
        say("There is nothing to suggest: people did not decide alike often enough, or no rule would change anything.")
    for one in found:
        heading(one.rule.name)
        say(
            verdict(one.verdict),
            f" {one.pattern.tool}: {one.support} decisions by {', '.join(one.reviewers)}",
            indent=2,
        )
        for label, values in (
            ("programs", one.pattern.programs),
            ("does", [" ".join(part for part in shape if part) for shape in one.pattern.shapes]),
            ("with", one.pattern.traits),
            ("to", one.pattern.values),
            ("below", [one.pattern.folder] if one.pattern.folder else []),
            ("waives", one.waives),
            ("because", [f"{name} ({count})" for name, count in one.categories.items()]),
        ):
            if values:
                say(Span(f"{label:9}", "dim"), *spans(", ".join(values)), indent=2, hanging=11)
        changes = ", ".join(f"{count} {change.replace('>', ' to ')}" for change, count in one.backtest.changes.items())
        say(Span("backtest ", "dim"), f"of {one.backtest.calls} calls on record: {changes}", indent=2, hanging=11)
        if one.widens:
            words = "with it, calls run alone that a person sees now"
            say(Span("WIDENS   ", "danger"), words, indent=2, hanging=11)
        if one.left_out:
            words = ", ".join(f"{count} {why}" for why, count in one.left_out.items())
            say(Span("left out ", "dim"), f"of the like: {words}", indent=2, hanging=11)
        if write is not None:
            say(Span("written  ", "dim"), str(write / f"{one.rule.name}.rego"), indent=2)


def _write(found: list[Suggestion], folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for one in found:
        for name, text in _files(one):
            path = folder / name
            if path.exists() and path.read_text(encoding="utf-8") != text:
                raise ConfigError(f"{path}: is there already, and somebody changed it; move it away first")
            path.write_text(text, encoding="utf-8")


def _patch(one: Suggestion, folder: Path) -> str:
    parts = []
    for name, text in _files(one):
        path = (folder / name).as_posix()
        lines = difflib.unified_diff([], text.splitlines(keepends=True), "/dev/null", f"b/{path}")
        parts.append(f"diff --git a/{path} b/{path}\nnew file mode 100644\n{''.join(lines)}")
    return "".join(parts)


def _files(one: Suggestion) -> list[tuple[str, str]]:
    return [(f"{one.rule.name}.rego", one.rule.source), (f"{one.rule.name}_test.rego", one.rule.test)]
