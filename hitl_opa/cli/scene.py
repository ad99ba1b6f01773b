"""The demo's stage: a throw-away workspace, an agent that tries things, and a reviewer who is not asleep."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from hitl_opa.model import Answer, Choice, Question, ReviewRequest
from hitl_opa.testing import Sandbox, tool_use

if TYPE_CHECKING:
    from claude_agent_sdk import McpSdkServerConfig

    from hitl_opa.testing.turns import Turn

README = "# Greeter\n\nSays hello. Run it with `python3 greet.py`, deploy it with the ops server.\n"
GREET = 'print("hello")\n'
NEW_GREET = 'import sys\n\nprint("hello,", *sys.argv[1:])\n'
ENV = "API_TOKEN=this-is-no-real-token\n"
STUB = "#!/bin/sh\n: > '{marker}'\necho 'rm was reached' >&2\nexit 1\n"
WHERE = "Where should this version go?"

# What a person would say to each call that asks; every other one is approved.
REJECTED = {".env": "Secrets are set by a person. Put the name of the variable into .env.example instead."}


class Scene:
    """A workspace in ``sandbox``. ``deployed`` lists where the ops server was told to deploy to.

    ``rm`` is a stub there: an agent really tries ``rm -rf /``, and if the guard did not hold, a
    marker would say so and nothing would be lost.
    """

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        self.deployed: list[str] = []
        self._marker = sandbox.root / "rm-was-reached"
        sandbox.write("README.md", README)
        sandbox.write("greet.py", GREET)
        sandbox.write(".env", ENV)
        stub = sandbox.root / "bin" / "rm"
        stub.parent.mkdir(exist_ok=True)
        stub.write_text(STUB.format(marker=self._marker), encoding="utf-8")
        stub.chmod(0o755)

    @property
    def bin(self) -> str:
        """The directory of the stub, to stand first in PATH."""
        return str(self.sandbox.root / "bin")

    @property
    def reached_rm(self) -> bool:
        return self._marker.exists()

    @property
    def env_touched(self) -> bool:
        return (self.sandbox.cwd / ".env").read_text(encoding="utf-8") != ENV

    def script(self) -> list[Turn]:
        """What the agent does: one call after the other, whatever comes of it."""
        cwd = str(self.sandbox.cwd)
        question = {
            "question": WHERE,
            "header": "Environment",
            "multiSelect": False,
            "options": [
                {"label": "staging", "description": "Only the team sees it"},
                {"label": "production", "description": "Everybody sees it"},
            ],
        }
        return [
            tool_use("Read", file_path=f"{cwd}/README.md"),
            tool_use("Read", file_path=f"{cwd}/greet.py"),
            tool_use("Write", file_path=f"{cwd}/greet.py", content=NEW_GREET),
            tool_use("Bash", command="python3 greet.py world", description="Try the new version"),
            tool_use("Write", file_path=f"{cwd}/.env", content="API_TOKEN=changed\n"),
            tool_use("Bash", command="rm -rf /", description="Clean up temporary files"),
            tool_use("AskUserQuestion", questions=[question]),
            tool_use("mcp__ops__deploy", environment="staging"),
            "The greeter takes names now, and staging has it. I left .env and everything else alone.",
        ]

    def ops(self) -> McpSdkServerConfig:
        """An MCP server in this process with one tool, `deploy`, that deploys nothing anywhere."""
        from claude_agent_sdk import create_sdk_mcp_server, tool

        @tool("deploy", "Deploy the current version to an environment.", {"environment": str})
        async def deploy(given: dict[str, Any]) -> dict[str, Any]:
            self.deployed.append(str(given.get("environment", "")))
            return {"content": [{"type": "text", "text": f"deployed to {given.get('environment')}"}]}

        return create_sdk_mcp_server("ops", tools=[deploy])


class Colleague:
    """The demo's reviewer: says what a person would, and lets the demo show what was put to them."""

    def __init__(
        self,
        asked: Callable[[ReviewRequest], None],
        answered: Callable[[list[Question], dict[str, str], str], None],
    ) -> None:
        self._asked = asked
        self._answered = answered

    @property
    def name(self) -> str:
        return "demo (scripted)"

    @property
    def groups(self) -> frozenset[str]:
        return frozenset()

    async def review(self, request: ReviewRequest) -> Answer:
        self._asked(request)
        for effect in request.document.facts.effects:
            reason = REJECTED.get(effect.target.value.rpartition("/")[2])
            if reason and effect.verb == "write":
                return Answer(choice=Choice.REJECT, reason=reason)
        return Answer(choice=Choice.APPROVE, reason="Go ahead.")

    async def answer(self, questions: list[Question]) -> dict[str, str]:
        answers = {q.question: q.options[0]["label"] if q.options else "" for q in questions}
        self._answered(questions, answers, self.name)
        return answers
