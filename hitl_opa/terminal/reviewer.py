"""The reviewer at a terminal."""

from __future__ import annotations

import asyncio
import contextlib
import getpass
import os
import threading
from collections import deque
from collections.abc import AsyncIterator, Iterable

from hitl_opa.model import Answer, Choice, Question, ReviewRequest
from hitl_opa.terminal import view
from hitl_opa.terminal.editing import Editing
from hitl_opa.terminal.edits import Change, change
from hitl_opa.terminal.text import Line, Span, paint, spans, visible, wrap
from hitl_opa.terminal.tty import Tty
from hitl_opa.terminal.view import GRANTS

TERMINAL = "/dev/tty"
_POLL_SECONDS = 0.05


class TerminalReviewer:
    """Asks the human at ``terminal``: shows what a call will do and takes approve, reject or edit.

    ``name`` (default: the user's login) and ``groups`` go into the record. ``editor`` is the command
    for edits (default: ``$VISUAL`` or ``$EDITOR``; ``""``: on one line, in place). ``grace`` is how
    long, in seconds, input is thrown away before a key counts, so that nobody approves with a key
    meant for something else. ``colour`` and ``columns`` default to what the terminal is.

    Calls that ask at the same time are shown one after the other. Raises NoTerminal where there is
    no terminal, which the guard turns into a deny.
    """

    def __init__(
        self,
        name: str = "",
        groups: Iterable[str] = (),
        *,
        terminal: str = TERMINAL,
        editor: str | None = None,
        grace: float = 0.3,
        colour: bool | None = None,
        columns: int = 0,
    ) -> None:
        self._name = name or _login()
        self._groups = frozenset(groups)
        self._terminal = terminal
        self._editor = editor
        self._grace = grace
        self._colour = colour
        self._columns = columns
        self._queue: deque[object] = deque()
        self._lock = threading.Lock()

    @property
    def name(self) -> str:
        return self._name

    @property
    def groups(self) -> frozenset[str]:
        return self._groups

    async def review(self, request: ReviewRequest) -> Answer:
        """What the human says to this call. Raises NoTerminal; may be cancelled at any time."""
        async with self._turn() as tty:
            edit = await asyncio.to_thread(change, request.call)
            review = _Review(self._screen(tty), request, edit)
            try:
                return await review.run(len(self._queue) - 1)
            except asyncio.CancelledError:
                tty.write("\n")
                review.screen.say([Span("Time is up, or the agent went on: this call is denied.", "yellow")])
                raise

    async def answer(self, questions: list[Question]) -> dict[str, str]:
        """The human's answers to the agent's own questions; one that is skipped has none."""
        async with self._turn() as tty:
            screen = self._screen(tty)
            screen.rule()
            return await screen.ask(questions, agent=True)

    def _screen(self, tty: Tty) -> Screen:
        return Screen(tty, self._grace, self._editor)

    @contextlib.asynccontextmanager
    async def _turn(self) -> AsyncIterator[Tty]:
        """The terminal, once those that asked before are done. Callers may live in several event loops."""
        ticket = object()
        with self._lock:
            self._queue.append(ticket)
        try:
            while self._queue[0] is not ticket:  # noqa: ASYNC110 - an asyncio.Event belongs to one loop
                await asyncio.sleep(_POLL_SECONDS)
            with Tty(self._terminal, colour=self._colour, columns=self._columns) as tty:
                yield tty
        finally:
            with self._lock:
                self._queue.remove(ticket)


def _login() -> str:
    """Who sits here; a container may run as somebody without a name."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"


class Screen:
    """What is said on the terminal and what comes back."""

    def __init__(self, tty: Tty, grace: float, editor: str | None) -> None:
        self.tty = tty
        self.editor = editor
        self._grace = grace

    def say(self, line: Iterable[Span] = (), *, hanging: int = 2) -> None:
        for part in wrap(line, self.tty.columns, hanging=hanging):
            self.tty.write(paint(part, colour=self.tty.colour) + "\n")

    def put(self, lines: Iterable[Line]) -> None:
        """Lines that are broken already."""
        for line in lines:
            self.tty.write(paint(line, colour=self.tty.colour) + "\n")

    def rule(self) -> None:
        self.put([[Span(("─" if self.tty.unicode else "-") * self.tty.columns, "dim")]])

    async def key(self, prompt: Line) -> str:
        """One key, asked for with ``prompt``. What was typed before does not count."""
        await asyncio.sleep(self._grace)
        self.tty.flush()
        self.say(prompt)
        self.tty.write("> ")
        pressed = await self.tty.key()
        self.tty.write("\n" if self.tty.dumb else f"{visible(pressed) if pressed != chr(10) else ''}\n")
        return pressed

    async def line(self, prompt: str) -> str:
        self.tty.flush()
        self.say([Span(prompt)])
        self.tty.write("> ")
        return await self.tty.line()

    async def ask(self, questions: list[Question], *, agent: bool) -> dict[str, str]:
        replies = {}
        for number, question in enumerate(questions, 1):
            reply = await self._ask(question, number, agent=agent)
            if reply:
                replies[question.question] = reply
            self.say()
        return replies

    async def _ask(self, question: Question, number: int, *, agent: bool) -> str:
        labels = [option.get("label", "") for option in question.options]
        chosen: frozenset[int] = frozenset()
        by_line = len(labels) > 9
        while True:
            for line in view.question(question, number, chosen, agent=agent):
                self.say(line, hanging=5)
            if not labels:
                return await self.line("Type your answer (empty: no answer), then Enter.")
            picked = await self._pick(len(labels), multi=question.multiSelect, by_line=by_line)
            if picked == "o":
                return await self.line("Type your answer, then Enter.")
            if picked == "s":
                return ""
            if picked == "\n":
                if chosen:
                    return ", ".join(labels[at - 1] for at in sorted(chosen))
                self.say([Span("Nothing is ticked yet.", "yellow")])
            elif picked.isdecimal() and 1 <= int(picked) <= len(labels):
                if not question.multiSelect:
                    self.say([Span("Answered: "), *spans(labels[int(picked) - 1])])
                    return labels[int(picked) - 1]
                chosen ^= {int(picked)}
            else:
                self.say([Span("That is none of the keys above.", "yellow")])

    async def _pick(self, count: int, *, multi: bool, by_line: bool) -> str:
        keys: Line = [Span(f"1-{count}", "bold"), Span(" tick   " if multi else " choose   ")]
        if multi:
            keys += [Span("Enter", "bold"), Span(" done   ")]
        keys += [Span("o", "bold"), Span(" other, in your words   "), Span("s", "bold"), Span(" skip")]
        if by_line:
            self.say(keys)
            return await self.line("A number or letter, then Enter.") or "\n"
        return await self.key(keys)


class _Review:
    """One call before its reviewer."""

    def __init__(self, screen: Screen, request: ReviewRequest, edit: Change | None) -> None:
        self.screen = screen
        self.request = request
        self.edit = edit
        self.hidden = False

    async def run(self, waiting: int) -> Answer:
        tty = self.screen.tty
        self.screen.put(view.head(self.request, waiting, tty.columns, unicode=tty.unicode))
        self._show(everything=False)
        replies = await self.screen.ask(self.request.questions[1:], agent=False)
        warned = False
        grantable = view.grantable(self.request.decision)
        while True:
            pressed = (await self.screen.key(view.keys(self.request, hidden=self.hidden, grant=grantable))).lower()
            match pressed:
                case "a" | "g" if self.hidden and not warned:
                    warned = True
                    self._warn(f"You have not seen all of it. v shows the rest; {pressed} again approves it unseen.")
                case "a":
                    if await self._meant():
                        self.screen.say([Span("Approved.", "green")])
                        return Answer(choice=Choice.APPROVE, replies=replies)
                case "g" if grantable:
                    seconds = await self._how_long()
                    if seconds and await self._meant():
                        self.screen.say([Span("Approved, and for a while.", "green")])
                        return Answer(choice=Choice.APPROVE, replies=replies, grant=seconds)
                case "r":
                    reason = await self.screen.line("Why? The agent reads this. (Enter alone: no reason)")
                    self.screen.say([Span("Rejected.", "red")])
                    return Answer(choice=Choice.REJECT, reason=reason, replies=replies)
                case "e":
                    edited = await Editing(self.screen, self.request.call).run()
                    if edited is not None:
                        self.screen.say([Span("Edited. Policy judges the new call.", "green")])
                        return Answer(choice=Choice.EDIT, input=edited, replies=replies)
                case "v":
                    self._show(everything=True)
                case "?" | "h":
                    for line in view.HELP.split("\n"):
                        self.screen.say([Span(line)], hanging=3)
                case _:
                    self._warn("That is none of the keys. Nothing was decided.")

    def _show(self, *, everything: bool) -> None:
        parts = view.sections(self.request, self.edit, everything=everything)
        self.hidden = any(part.rest for part in parts)
        for part in parts:
            self.screen.put(part.draw(self.screen.tty.columns))
        self.screen.say()

    async def _how_long(self) -> float:
        """Seconds for which equal calls run without asking, 0 for none."""
        pressed = await self.screen.key(view.durations())
        return GRANTS[int(pressed) - 1][1] if pressed in view.GRANT_KEYS else 0.0

    def _warn(self, text: str) -> None:
        self.screen.say([Span(text, "yellow")])

    async def _meant(self) -> bool:
        """Whether the phrase that this risk takes was typed."""
        wanted = visible(self.request.typed)
        if not wanted:
            return True
        typed = await self.screen.line(f"This one takes more than a key. Type  {wanted}  and Enter.")
        if typed == wanted:
            return True
        self._warn("That was not the phrase. Nothing was approved.")
        return False
