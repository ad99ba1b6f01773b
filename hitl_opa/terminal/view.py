"""What a review looks like: a request in, lines out. Everything the model wrote passes `spans` first."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

from hitl_opa.model import Decision, Question, Reason, ReviewRequest, Risk, Verdict
from hitl_opa.terminal.edits import Change
from hitl_opa.terminal.marking import marked
from hitl_opa.terminal.text import TAB, Line, Span, block, carets, mixed, plain, spans, visible, wrap
from hitl_opa.terminal.words import MAX_EFFECTS, happenings, programs, setting

MAX_LINES = 60  # of a diff or command, before the rest has to be asked for
MAX_CHARS = 6_000
MAX_LATE = 5
GRANTS = (("10 minutes", 600.0), ("1 hour", 3600.0), ("8 hours", 28800.0))
GRANT_KEYS = "123"
_RISKS = {Risk.LOW: "green", Risk.MEDIUM: "yellow", Risk.HIGH: "danger", Risk.CRITICAL: "critical"}


class Section:
    """A heading and its lines. ``rest`` counts the lines that were left out."""

    def __init__(self, title: str, lines: Iterable[Line], *, rest: int = 0, code: bool = False) -> None:
        self.title = title
        self.lines = list(lines)
        self.rest = rest
        self.code = code

    def draw(self, columns: int) -> Iterator[Line]:
        yield from wrap([Span(self.title, "bold")], columns, hanging=2)
        for line in self.lines:
            for part in wrap(line, columns, indent=2, hanging=0 if self.code else 2, words=not self.code):
                yield part
                if self.code and (below := carets(part)):
                    yield below
        if self.rest:
            rest = Span(f"… {self.rest} more lines that you have not seen: v shows them", "yellow")
            yield from wrap([rest], columns, indent=2)


def head(request: ReviewRequest, waiting: int, columns: int, *, unicode: bool) -> Iterator[Line]:
    """The rule across the screen, and what this is."""
    risk = request.decision.risk
    yield [Span(("─" if unicode else "-") * columns, "dim")]
    title: Line = [Span("May the agent do this?  ", "bold"), *spans(request.call.tool, "bold"), Span("   ")]
    title.append(Span(f" risk {risk} ", _RISKS[risk]))
    if waiting:
        title.append(Span(f"   {waiting} more waiting", "dim"))
    yield from wrap(title, columns)


def sections(request: ReviewRequest, edit: Change | None, *, everything: bool) -> list[Section]:
    """The review, in the order in which it is read."""
    wanted = everything or request.decision.obligation("context") is not None
    parts = [_effects(request, everything=everything)]
    command = request.call.input.get("command")
    if request.document.call.kind == "shell" and isinstance(command, str):
        parts.append(_command(request, command, everything=everything))
        if lines := programs(request.document.facts):
            numbered = [spans(f"{n}. {line}") for n, line in enumerate(lines[: None if wanted else MAX_EFFECTS], 1)]
            parts.append(Section("Programs it runs", numbered, rest=len(lines) - len(numbered)))
    elif edit is not None:
        parts.append(_diff(edit, everything=everything))
    elif asked := _questions(request):
        parts.append(Section("It would ask you this", asked))
    else:
        parts.append(_input(request, everything=everything))
    parts.append(_reasons(request.decision))
    if words := own_words(request):
        parts.append(_words(words, everything=wanted))
    if wanted:
        parts.append(Section("Where it comes from", [[Span(line)] for line in setting(request.document)]))
    return parts


def own_words(request: ReviewRequest) -> str:
    """What the agent says of the call; nobody has checked it."""
    given = request.call.input.get("description")
    about = given if isinstance(given, str) and request.document.call.kind in {"shell", "agent"} else ""
    return "\n".join(part for part in (about.strip(), request.rationale.strip()) if part)


def grantable(decision: Decision) -> bool:
    """Whether a standing grant would keep this call from asking: floors and critical asks are always asked."""
    asks = [r for r in decision.reasons if r.verdict is Verdict.ASK]
    return bool(asks) and not any(r.floor or r.risk is Risk.CRITICAL for r in asks)


def durations() -> Line:
    """The prompt for how long a grant lasts."""
    line: Line = [Span("Again without asking, for  ")]
    for key, (name, _) in zip(GRANT_KEYS, GRANTS, strict=True):
        line += [Span(key, "bold"), Span(f" {name}   ")]
    return [*line, Span("n", "bold"), Span(" not at all")]


def keys(request: ReviewRequest, *, hidden: bool, grant: bool) -> Line:
    """The prompt. ``hidden``: there are lines that have not been seen; ``grant``: a standing grant would help."""
    offered = [("a", "approve"), ("r", "reject, saying why"), ("e", "edit")]
    if grant:
        offered.insert(1, ("g", "and again"))
    if hidden:
        offered.append(("v", "view all"))
    elif own_words(request):
        offered.append(("v", "more"))
    offered.append(("?", "help"))
    line: Line = []
    for key, what in offered:
        line += [Span(key, "bold"), Span(f" {what}   ")]
    return line


HELP = """
a  Approve: the call runs exactly as shown, once. The next one asks again. Where the \
risk is high enough you are asked to type a phrase instead of one key.
g  Approve, and let this very call run again without asking until a time that you choose. Another \
input, directory or person, or a reason that is new, asks again; so does whatever is critical.
r  Reject: it does not run. Your reason reaches the agent, so say what it should do instead.
e  Edit: change the input in $EDITOR, or on one line. Policy judges the changed call again, and if \
that makes it worse you are asked once more.
v  View everything: long diffs and commands in full, the agent's own words, where the call comes from.
?  This help.

What you see is what the guard found in the call. The agent's own words stand apart, because nobody \
has checked them. Text like <U+202E> stands for a character that you could not have seen.
Ctrl-C stops the agent. If you do not answer in time, the call is denied.
Why a rule fired, and what would change it: hitl-opa explain.
"""


def question(asked: Question, number: int, chosen: frozenset[int], *, agent: bool) -> Iterator[Line]:
    """A question with its options numbered; ``chosen`` are the ones ticked so far."""
    title = "The agent asks" if agent else "One question first"
    header = f" ({visible(asked.header)})" if asked.header else ""
    yield [Span(f"{title}{header}", "bold"), Span(f"   question {number}" if number > 1 else "", "dim")]
    for line in block(asked.question):
        yield [Span("  "), *line]
    for at, option in enumerate(asked.options, 1):
        label, description = option.get("label", ""), option.get("description", "")
        tick = ("[x] " if at in chosen else "[ ] ") if asked.multiSelect else ""
        line = [Span(f"  {at}", "bold"), Span(f"  {tick}"), *spans(label)]
        yield [*line, Span("  ", "dim"), *spans(description, "dim")] if description else line


def _effects(request: ReviewRequest, *, everything: bool) -> Section:
    found = happenings(request.document.facts, request.document.context.workspace)
    shown = found if everything else found[:MAX_EFFECTS]
    lines = [[Span("! ", "danger"), Span(text, "bold")] if bad else [Span("- "), Span(text)] for text, bad in shown]
    if not found:
        lines.append([Span("Policy knows nothing about what this tool does.", "yellow")])
    return Section("What will happen", lines, rest=len(found) - len(shown))


def _command(request: ReviewRequest, command: str, *, everything: bool) -> Section:
    lines = marked(command, request.document.facts)
    kept, rest = (lines, 0) if everything else fold(lines)
    section = Section(f"Command, in {visible(request.document.context.cwd)}", kept, rest=rest, code=True)
    late = [line for line in lines[len(kept) :] if any(span.style == "danger" for span in line)]
    if late:
        section.lines.append([Span("… and among the lines not shown:", "yellow")])
        section.lines += fold(late[:MAX_LATE])[0]
    section.lines += _lookalikes(command)
    return section


def fold(lines: list[Line]) -> tuple[list[Line], int]:
    """As many lines as a person reads at once, and how many are left out, one that is cut off included."""
    kept: list[Line] = []
    room = MAX_CHARS
    for line in lines[:MAX_LINES]:
        kept.append(_cut(line, room))
        room -= len(plain(line))
        if room < 0:
            return kept, len(lines) - len(kept) + 1
    return kept, len(lines) - len(kept)


def _cut(line: Line, room: int) -> Line:
    short: Line = []
    for span in line:
        short.append(Span(span.text[:room], span.style))
        room -= len(span.text)
        if room < 0:
            return [*short, Span("…", "yellow")]
    return short


def _lookalikes(text: str) -> list[Line]:
    words = mixed(text)
    return [[Span(f"Mixes alphabets, look twice: {', '.join(words[:5])}", "yellow")]] if words else []


def _diff(edit: Change, *, everything: bool) -> Section:
    styles = {"+": "green", "-": "red", "@": "cyan"}
    lines = [spans(line.expandtabs(TAB), styles.get(line[:1], "")) for line in edit.lines]
    kept, rest = (lines, 0) if everything else fold(lines)
    notes = [[Span(visible(note), "yellow")] for note in edit.notes] + _lookalikes("\n".join(edit.lines))
    title = f"Change to {visible(edit.path)}" if edit.path else "Change"
    return Section(title, [*notes, *kept], rest=rest, code=True)


def _questions(request: ReviewRequest) -> list[Line]:
    """The agent's own question as it would be asked; none where it is none, or misshapen."""
    if request.document.call.kind != "question":
        return []
    try:
        asked = msgspec.convert(request.call.input.get("questions", []), list[Question])
    except msgspec.ValidationError:
        return []
    return [line for number, one in enumerate(asked, 1) for line in question(one, number, frozenset(), agent=True)]


def _input(request: ReviewRequest, *, everything: bool) -> Section:
    lines: list[Line] = []
    for name, value in request.call.input.items():
        text = value if isinstance(value, str) else msgspec.json.format(msgspec.json.encode(value), indent=2).decode()
        first, *more = block(text)
        lines.append([*spans(name, "bold"), Span(": "), *first])
        lines += [[Span("  "), *line] for line in more]
    kept, rest = (lines, 0) if everything else fold(lines)
    return Section("Input", kept or [[Span("none", "dim")]], rest=rest)


def _reasons(decision: Decision) -> Section:
    why = [r for r in decision.reasons if r.verdict is not Verdict.ALLOW] or decision.reasons
    lines: list[Line] = []
    for reason in why:
        lines.append(_reason(reason))
        if reason.remedy:
            lines.append([Span("  instead: ", "dim"), *spans(reason.remedy, "dim")])
    if decision.waived:
        lines.append([Span(f"waived: {', '.join(visible(w) for w in decision.waived)}", "dim")])
    return Section("Why you are asked", lines)


def _reason(reason: Reason) -> Line:
    style = "yellow" if reason.risk in {Risk.LOW, Risk.MEDIUM} else "danger"
    return [
        Span(f"{reason.risk:<8}", style),
        Span(" "),
        *spans(reason.message),
        Span(f"  [{visible(reason.rule)}]", "dim"),
    ]


def _words(words: str, *, everything: bool) -> Section:
    lines = list(block(words, "dim"))
    if everything:
        return Section("The agent says (nobody has checked this)", lines)
    first = visible(words.split("\n", 1)[0])
    cut = first if len(first) <= 70 else first[:69] + "…"
    return Section("The agent says (nobody has checked this; v for all)", [[Span(cut, "dim")]])
