"""A model that says what a script tells it to: the Anthropic Messages API on this machine."""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections.abc import Iterable, Mapping
from typing import Self

from hitl_opa.testing.turns import Block, Body, ToolResult, Turn, flat, text, tool_results
from hitl_opa.testing.wire import Server, handler

MAIN = ""
EXHAUSTED = "(the script has ended)"


class ScriptedModel:
    """Serves ``turns``, one for each request of the agent, on ``url``.

        with ScriptedModel([tool_use("Bash", command="ls"), "All done."]) as model:
            ...  # an agent with ANTHROPIC_BASE_URL=model.url

    ``agents`` are scripts for subagents: a subagent whose prompt contains the key is served from
    that script. Where a script has ended the model says so, in text, which ends the agent's turn.
    A request without tools (titles, summaries) is no turn, and one that is sent again gets the
    same answer again. ``model`` may be read by any thread while it serves.
    """

    def __init__(self, turns: Iterable[Turn] = (), *, agents: Mapping[str, Iterable[Turn]] | None = None) -> None:
        self._scripts: dict[str, list[Turn]] = {MAIN: list(turns)}
        self._scripts |= {marker: list(script) for marker, script in (agents or {}).items()}
        self._said: dict[str, list[Block]] = {}
        self._count = 0
        self._lock = threading.Lock()
        self.requests: list[Body] = []
        """The requests that took a turn, oldest first."""
        self.side_requests: list[Body] = []
        """The requests that did not."""
        self.calls: list[Block] = []
        """The tool calls that the model made, oldest first."""
        self.times: list[tuple[str, float]] = []
        """("asked" | "answered", `time.monotonic`) of every request for a message."""
        self._server = Server(("127.0.0.1", 0), handler(self._say, self._answered))
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        serve = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        serve.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def say(self, *turns: Turn, agent: str = MAIN) -> None:
        """Add turns to a script while the model serves."""
        with self._lock:
            self._scripts.setdefault(agent, []).extend(turns)

    def results(self) -> dict[str, ToolResult]:
        """What the model was told of each of its calls, by tool use id; the first word counts."""
        with self._lock:
            seen = [result for body in self.requests for result in tool_results(body)]
        return {result.id: result for result in reversed(seen)}

    def _say(self, body: Body) -> list[Block]:
        with self._lock:
            self.times.append(("asked", time.monotonic()))
            if not body.get("tools"):
                self.side_requests.append(body)
                return [text("-")]
            agent = self._agent(body)
            key = agent + hashlib.sha256(json.dumps(body.get("messages"), sort_keys=True).encode()).hexdigest()
            if key not in self._said:
                self.requests.append(body)
                script = self._scripts[agent]
                self._said[key] = self._blocks(script.pop(0) if script else EXHAUSTED, body)
            return self._said[key]

    def _answered(self) -> None:
        self.times.append(("answered", time.monotonic()))

    def _agent(self, body: Body) -> str:
        first = flat(body["messages"][0]["content"]) if body.get("messages") else ""
        return next((marker for marker in self._scripts if marker and marker in first), MAIN)

    def _blocks(self, turn: Turn, body: Body) -> list[Block]:
        if callable(turn):
            return self._blocks(turn(body), body)
        blocks: list[Block] = []
        for part in turn if isinstance(turn, list) else [turn]:
            block = text(part) if isinstance(part, str) else dict(part)
            if block["type"] == "tool_use":
                self._count += 1
                block["id"] = block.get("id") or f"toolu_scripted_{self._count:04d}"
                self.calls.append(block)
            blocks.append(block)
        return blocks
