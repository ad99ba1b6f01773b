"""``hitl-opa demo --inbox``: the pause, with a person at the inbox."""

from __future__ import annotations

import json
import secrets
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hitl_opa.cli.output import say, whole
from hitl_opa.cli.pause import MAIN, Pause, Paused, deployed
from hitl_opa.terminal.text import Span, spans

NAME = "rita"
POLL = 0.5  # seconds between two looks at the approval
STARTING = 60.0


class InboxPause(Pause):
    """An agent asks and its process ends; whoever opens the inbox decides, for as long as it takes."""

    def _play(self) -> Paused:
        first = self._process("")
        password = secrets.token_urlsafe(12)
        self._cli("users", "add", NAME, "--role", "reviewer", "--password-stdin", said=password + "\n")
        id = json.loads(self._cli("approvals", "list", "--json").stdout)[0]["id"]
        with self._serving() as url:
            say(f"An agent asked to deploy to production; its process, {first['pid']}, has ended.")
            say("Decide on it in the inbox; then another process goes on. Ctrl-C ends it.")
            whole(Span("  open       ", "dim"), Span(f"{url}/inbox/approvals/{id}", "bold"))
            whole(Span("  log in as  ", "dim"), Span(NAME, "bold"))
            whole(Span("  password   ", "dim"), Span(password, "bold"))
            sys.stdout.flush()
            found = self._decided(id)
            say(*spans(f"It is {found['state']}."))
            second = self._process(first["session"])
        self._say("process   ", f"{second['pid']} went on with the session")
        self._say("the agent ", second["said"])
        after = deployed(self._root)
        self._say("deployed  ", ", ".join(after) or "nothing")
        wanted = ["production"] if found["state"] == "approved" and not found["edited"] else after[:1]
        wrong = after != wanted or (found["state"] != "approved" and after)
        state = json.loads(self._cli("approvals", "show", id, "--json").stdout)["state"]
        faults = [f"deployed to {after or 'nothing'}, and the approval was {found['state']}"] if wrong else []
        return Paused(approval=id, state=state, after=after, faults=faults)

    def _decided(self, id: str) -> dict[str, Any]:
        """The approval, once it does not wait any more."""
        while True:
            found: dict[str, Any] = json.loads(self._cli("approvals", "show", id, "--json").stdout)
            if found["state"] != "pending":
                return found
            time.sleep(POLL)

    @contextmanager
    def _serving(self) -> Iterator[str]:
        """The URL of a server with the inbox."""
        kept = self._root / "kept"
        log = kept / "serve.log"
        with log.open("w") as out:
            server = subprocess.Popen(
                [sys.executable, "-c", MAIN, "serve", "--port", "0"], cwd=kept, stderr=out, stdout=out
            )
            try:
                yield self._url(server, log)
            finally:
                server.terminate()
                server.wait(30)

    def _url(self, server: subprocess.Popen[bytes], log: Path) -> str:
        until = time.monotonic() + STARTING
        while time.monotonic() < until and server.poll() is None:
            said = log.read_text(encoding="utf-8")
            if "hooks on" in said:  # the last that it says before it listens
                return "http://" + said.split("http://", 1)[1].split()[0]
            time.sleep(0.1)
        raise OSError(f"`hitl-opa serve` did not start: {log.read_text(encoding='utf-8')[-500:]}")
