"""An oversight record as sections of text, tables and charts, for whatever writes them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime

import msgspec

from hitl_opa.metrics import Ratio, Spread
from hitl_opa.oversight.charts import columns
from hitl_opa.oversight.gather import Moment, Oversight

_SHOWN = 100  # of what is listed one by one
_VERDICTS = ("allow", "ask", "deny")


class Table(msgspec.Struct, frozen=True):
    head: Sequence[str]
    rows: Sequence[Sequence[str]]


class Chart(msgspec.Struct, frozen=True):
    """``name`` is for a file."""

    name: str
    title: str
    svg: str


class Section(msgspec.Struct, frozen=True):
    """``law`` names what the section answers to."""

    title: str
    law: str
    parts: Sequence[str | Table | Chart]


def sections(found: Oversight) -> list[Section]:
    """All of it, in order."""
    return [
        Section("The agent and its record", "AI Act Art. 12", list(_about(found))),
        Section("What it did", "AI Act Art. 12, 26(5)", list(_did(found))),
        Section("Who oversaw it", "AI Act Art. 14(4), 26(2)", list(_people(found))),
        Section("How well that worked", "AI Act Art. 14(4)(b)", list(_measured(found))),
        Section(
            "What people corrected", "AI Act Art. 14(4)(d)", list(_moments(found.corrections, "Nothing was.", "said"))
        ),
        Section("Incidents", "AI Act Art. 26(5)", list(_incidents(found))),
        Section("What it may do alone", "AI Act Art. 14(3)", list(_autonomy(found))),
        Section("What is not in here", "", list(_missing(found))),
    ]


def _about(found: Oversight) -> Iterator[str | Table]:
    period = f"{found.since or 'the first record'} to {found.until or 'the last'}"
    rows = [
        ("agent", found.agent),
        ("period", period),
        (
            "calls in it",
            f"{found.measures.calls:,}" + (f", {_time(found.first)} to {_time(found.last)}" if found.first else ""),
        ),
        ("versions", _counts(found.versions, "not named")),
        ("policy revisions", _counts({k[:12]: v for k, v in found.policies.items()}, "not recorded")),
        ("autonomy levels", _counts({str(k): v for k, v in found.levels.items()}, "")),
        ("made", found.made),
    ]
    yield Table(("", ""), rows)
    if found.report is None:
        yield "The record was not checked for changes when this was made."
        return
    state = "verified: no record was changed, dropped or out of place" if found.report.ok else "CHANGED"
    signed = sum(head.signed for head in found.report.streams)
    yield f"The whole record ({found.report.records:,} records) was {state}; {signed:,} are under a signed checkpoint."
    if found.report.problems:
        yield Table(("what was found",), [(str(problem),) for problem in found.report.problems[:_SHOWN]])


def _did(found: Oversight) -> Iterator[str | Table | Chart]:
    m = found.measures
    yield ", ".join(
        f"{m.verdicts.get(v, 0):,} {word}" for v, word in zip(_VERDICTS, ("allowed", "asked", "denied"), strict=True)
    ) + (f". {m.failed_closed:,} were denied because something failed, {m.unanswered:,} asked with nobody there.")
    if found.days:
        dates = [day.date for day in found.days]
        series = {v: [day.verdicts.get(v, 0) for day in found.days] for v in _VERDICTS}
        title = "Calls a day by verdict, and how many people were asked about"
        yield Chart("calls", title, columns(title, dates, series, [day.asked for day in found.days]))
    if found.tools:
        rows = [
            (tool, *(f"{counts.get(v, 0):,}" for v in (*_VERDICTS, "asked someone")))
            for tool, counts in list(found.tools.items())[:_SHOWN]
        ]
        yield Table(("tool", "allowed", "asked", "denied", "a person was asked"), rows)
    if found.rules:
        rules = [(r, f"{c.get('ask', 0):,}", f"{c.get('deny', 0):,}") for r, c in list(found.rules.items())[:_SHOWN]]
        yield Table(("rule that came first", "asked", "denied"), rules)


def _people(found: Oversight) -> Iterator[str | Table | Chart]:
    if not found.reviewers:
        yield "Nobody was asked, or nobody answered."
        return
    yield Table(
        ("reviewer", "approved", "edited", "rejected", "answered", "median look", "faster than reading"),
        [
            (
                r.name,
                *(f"{n:,}" for n in (r.approved, r.edited, r.rejected, r.answered)),
                "not timed" if r.look is None else _span(r.look),
                f"{r.fast:,}",
            )
            for r in found.reviewers
        ],
    )
    if any(found.looks.values()):
        title = "How long people looked"
        yield Chart("looks", title, columns(title, list(found.looks), {"looks": list(found.looks.values())}))


def _measured(found: Oversight) -> Iterator[str | Table]:
    m = found.measures
    rates: list[tuple[str, Ratio, str]] = [
        ("escalation", m.escalation, "calls that a person was asked about"),
        ("override", m.override, "rejected or edited, of what people decided"),
        ("expiry", m.expiry, "approvals that ran out unanswered"),
        ("rubber stamps", m.rubber_stamp, "approvals faster than anybody reads"),
        ("feedback used", m.utilisation, "corrections that led to a change"),
        ("canaries caught", m.canaries, "planted bad requests"),
        ("harm, approved", m.harm_approved, "incidents among approved calls that ran"),
        ("harm, alone", m.harm_automatic, "incidents among calls that ran alone"),
    ]
    yield Table(
        ("number", "share", "of", "95 % interval", "what it is"),
        [(name, _percent(r), f"{r.hits:,} of {r.of:,}", _interval(r), what) for name, r, what in rates],
    )
    times: list[tuple[str, Spread]] = [("ask to answer", m.resolution), ("in the queue", m.queue), ("looked", m.look)]
    if timed := [(name, _span(s.p50), _span(s.p95), f"{s.n:,}") for name, s in times if s.n]:
        yield Table(("time", "median", "95th percentile", "of"), timed)
    if m.agreement is not None:
        yield f"Agreement of reviewers who saw the same call (Fleiss' kappa): {m.agreement:.2f}."
    for alert in found.alerts:
        yield f"Outside its target: {alert.name.replace('_', ' ')} ({alert.message})."


def _incidents(found: Oversight) -> Iterator[str | Table]:
    yield from _moments(found.incidents, "None was reported.", "severity")
    if found.changed:
        yield f"{found.changed:,} call(s) ran with another input than the one that was decided on."


def _autonomy(found: Oversight) -> Iterator[str | Table]:
    if found.standings:
        yield Table(
            ("version", "tool", "risk", "level", "evidence"),
            [
                (
                    s.version,
                    s.tool,
                    s.risk,
                    str(s.level),
                    "; ".join(s.missing) or ("waits for a person" if s.proposed else ""),
                )
                for s in found.standings
            ],
        )
        moves = [(m.at, s.tool, s.risk, f"{m.old} to {m.new}", m.why) for s in found.standings for m in s.moves]
        if moves:
            ordered = sorted(moves)[-_SHOWN:]
            yield Table(("when", "tool", "risk", "level", "why"), [(_time(at), *rest) for at, *rest in ordered])
    if found.acts:
        yield Table(
            ("when", "who", "did", "tool", "why"),
            [(_time(a.at), a.by, a.action, a.tool or "all", a.reason) for a in found.acts[-_SHOWN:]],
        )
    if not (found.standings or found.acts):
        yield "Nothing was earned or set; the levels are those of the settings."


def _missing(found: Oversight) -> Iterator[str | Table]:
    yield "What calls contained: decision ids lead to it in the record, as far as it was not erased."
    if found.erased:
        yield f"The payload of {found.erased:,} of these calls was erased; that and what was decided stays proven."
    if found.erasures:
        yield Table(("erased at", "by", "what"), [(_time(m.at), m.who, m.what) for m in found.erasures[-_SHOWN:]])
    yield "Calls that no guard saw; what people knew, and whether they were competent and instructed to oversee."


def _moments(moments: Sequence[Moment], none: str, said: str) -> Iterator[str | Table]:
    if not moments:
        yield none
        return
    if len(moments) > _SHOWN:
        yield f"The last {_SHOWN} of {len(moments):,}:"
    yield Table(
        ("when", "call", "tool", "risk", "rule", "by", said),
        [(_time(m.at), m.id[:8], m.tool, m.risk, m.rule, m.who, m.what) for m in moments[-_SHOWN:]],
    )


def _counts(counts: Mapping[str, int], unnamed: str) -> str:
    return ", ".join(f"{name or unnamed} ({count:,})" for name, count in counts.items()) or "none"


def _percent(ratio: Ratio) -> str:
    return "-" if ratio.value is None else f"{ratio.value * 100:.1f} %"


def _interval(ratio: Ratio) -> str:
    low, high = ratio.interval
    return f"{low * 100:.1f}-{high * 100:.1f} %" if ratio.of else "-"


def _time(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M") if at else ""


def _span(seconds: float) -> str:
    for unit, name in ((86_400, "d"), (3600, "h"), (60, "min")):
        if seconds >= 2 * unit:
            return f"{seconds / unit:.1f} {name}"
    return f"{seconds:.1f} s"
