"""``hitl-opa audit verify`` and ``prove``: that nobody changed the record, shown to somebody else."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
import msgspec

from hitl_opa.audit import Report
from hitl_opa.audit.files import lines
from hitl_opa.audit.notes import Verifier
from hitl_opa.cli.output import emit, say, working
from hitl_opa.cli.record import open_record, place, trust
from hitl_opa.errors import AuditError, ConfigError
from hitl_opa.terminal.text import Span, spans

_SHOWN = 100  # findings that somebody may want to read
LONGEST = 1 << 28  # bytes of a line of an export
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_KEY = click.option("--key", "keys", multiple=True, type=_FILE, help="Public keys.  [default: the settings']")


@click.command()
@click.argument("export", required=False, type=_FILE)
@_KEY
@click.option(
    "--anchor",
    "anchors",
    multiple=True,
    type=click.Path(exists=True, path_type=Path),
    help="A file or git repository that keeps checkpoints.  [default: the settings' anchors]",
)
@click.option("--proof", type=_FILE, help="Check this proof, which `audit prove` wrote, and nothing else.")
@place
def verify(
    export: Path | None,
    keys: tuple[Path, ...],
    anchors: tuple[Path, ...],
    proof: Path | None,
    as_json: bool,
    **place: Any,
) -> None:
    """Check that no record was edited, dropped, reordered, inserted or cut off.

    Without EXPORT the database itself is checked. Exit code 1 if anything was changed.

    Records cut off the end together with the count of them, or an end rewritten with all its hashes, show
    where a checkpoint was signed for them (`audit key new`), and where the checkpoints may have been cut off
    too, where an anchor keeps them.
    """
    if proof is not None:
        _proofs(proof, trust(place["config"], keys).keys, as_json)
        return
    known = trust(place["config"], keys, anchors)
    with working("Checking the record"):
        if export is None:
            with open_record(**place) as log:
                report = known.verify(log)
        else:
            with export.open("rb") as file:
                report = known.verify_export(lines(file, LONGEST))
    if report.ok and not report.records:  # an emptied one must not look like a yes
        raise AuditError(f"{export or 'the record'} holds no record: nothing was checked")
    if as_json:
        emit({"ok": report.ok, **msgspec.to_builtins(report)})
    else:
        show_report(report)
    if not report.ok:
        sys.exit(1)


@click.command()
@click.argument("which", metavar="ID", required=False)
@click.option("--extends", type=_FILE, help="Prove that the record extends the checkpoints in this file (or note).")
@click.option("-o", "--out", type=click.Path(dir_okay=False, path_type=Path), help="Write the proof here.")
@_KEY
@place
def prove(
    which: str | None, extends: Path | None, out: Path | None, keys: tuple[Path, ...], as_json: bool, **place: Any
) -> None:
    """Write a proof that stands alone: `audit verify --proof` checks it with the public keys only.

    With ID (of a decision, or of a call): that each record about it is in a signed tree. With --extends:
    that the newest signed tree holds, unchanged and in order, all that an older checkpoint was signed for.
    """
    if (which is None) == (extends is None):
        raise ConfigError("give the ID of a call or decision, or --extends with a checkpoint")
    with open_record(**place) as log, working("Reading the record"):
        known = trust(place["config"], keys)
        prover = log.prover(known.keys, known.notes())
        if which is not None:
            found: list[Any] = [prover.inclusion(record) for record in log.about(which)]
        else:
            found = [prover.consistency(note) for note in _newest(extends)]
    lines = b"".join(msgspec.json.encode(proof) + b"\n" for proof in found)
    if out is None:
        click.echo(lines, nl=False)
        return
    out.write_bytes(lines)
    if as_json:
        emit({"proofs": len(found), "file": str(out)})
    else:
        say(Span("proven", "green"), f"  {len(found)} proof(s) in {out}; hitl-opa audit verify --proof {out}")


def show_report(report: Report) -> None:
    """A report for a person."""
    noun = "record" if report.records == 1 else "records"
    if report.ok:
        say(Span("verified", "green"), f"  {report.records} {noun}, none changed, dropped or out of place")
    else:
        say(Span("CHANGED", "danger"), f"  {len(report.problems)} problem(s) in {report.records} {noun}")
    for problem in report.problems[:_SHOWN]:
        say(Span("! ", "danger"), *spans(str(problem)), indent=2)
    if len(report.problems) > _SHOWN:
        say(f"and {len(report.problems) - _SHOWN:,} more: --json lists them all", indent=2)
    if report.erased:
        say(f"{report.erased} payload(s) were erased; what they were stays proven", indent=2)
    signed = sum(head.signed for head in report.streams)
    kept = f"; anchors keep {report.anchored} checkpoint(s)" if report.anchored else ""
    if report.unchecked:
        say(f"{report.unchecked} checkpoint(s) not looked at: no public key is known (--key)", indent=2)
    elif signed:
        say(f"{signed} of them are signed for{kept}", indent=2)
    if report.unsigned and not report.unchecked:
        said = "signed for by nobody: who may write the file could have changed or added them"
        say(Span(f"{report.unsigned} {said}", "yellow"), indent=2)
    for head in report.streams:
        say(f"root of {head.size} records: {head.root or 'lost'}", indent=2)


def _proofs(path: Path, keys: Sequence[Verifier], as_json: bool) -> None:
    from hitl_opa.audit.proofs import check, read_proofs

    if not keys:
        raise ConfigError("a proof is worth what its key is: give the public keys with --key")
    proofs = read_proofs(path.read_bytes())
    if not proofs:
        raise AuditError(f"{path} holds no proof")
    failed = 0
    for number, proof in enumerate(proofs, 1):
        try:
            shown = check(proof, keys)
        except AuditError as error:
            failed += 1
            emit({"ok": False, "problem": str(error)}) if as_json else say(
                Span("WRONG", "danger"), *spans(f"  proof {number}: {error}")
            )
            continue
        signed = shown.checkpoint
        if as_json:
            emit({"ok": True, "seq": shown.seq, "size": signed.size, "time": signed.time, "leaf": shown.leaf})
        elif shown.older is not None:
            said = f"  the {signed.size} records signed for at {signed.time} extend the {shown.older.size} of before"
            say(Span("proven", "green"), *spans(said))
        else:
            ours = (shown.leaf or {}).get("hitl", {})
            what = " ".join(str(ours.get(name, "")) for name in ("kind", "tool", "verdict", "reviewer", "outcome"))
            said = f"  {' '.join(what.split())}: record {shown.seq} of the {signed.size} signed for at {signed.time}"
            say(Span("proven", "green"), *spans(said + ("" if shown.payload else ", payload erased or none")))
    if failed:
        sys.exit(1)


def _newest(path: Path | None) -> list[str]:
    """The notes in a file: one signed note, or the lines of an anchor, the last one of each stream."""
    from hitl_opa.audit.anchors import read_notes

    data = path.read_bytes() if path else b""
    if not data.startswith(b"{"):
        return [data.decode(errors="replace")]
    notes, problems = read_notes(data.splitlines(), str(path))
    if problems:
        raise AuditError(problems[0])
    return list({note.partition("\n")[0]: note for note in notes}.values())
