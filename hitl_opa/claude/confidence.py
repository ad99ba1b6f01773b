"""How sure the agent is: measured by the host, or said by the model through a tool."""

from __future__ import annotations

import inspect
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import msgspec

from hitl_opa.model import ToolCall

if TYPE_CHECKING:
    from claude_agent_sdk import McpSdkServerConfig

SERVER = "hitl"
TOOL = "report_confidence"
REPORT = f"mcp__{SERVER}__{TOOL}"

ConfidenceSource = Callable[[ToolCall], "float | Awaitable[float | None] | None"]
"""Says how sure the agent is of a call, 0-1, or None where it cannot tell."""

_DESCRIPTION = (
    "Report how confident you are, from 0 to 1, that your next actions are what the user wants and are correct. "
    "Call it before an action you are unsure of; it holds for your following tool calls until you report again. "
    "A low confidence lets a human look first. It never grants anything."
)
_MAX_AGENTS = 1000


class Confidences:
    """The confidence of a call: ``source`` if it is given, else the agent's last report in this session."""

    def __init__(self, source: ConfidenceSource | None) -> None:
        self._source = source
        self._reports: OrderedDict[tuple[str, str], float] = OrderedDict()

    async def measure(self, call: ToolCall) -> ToolCall:
        """The call with its confidence. A source that raises knows nothing good: it counts as 0."""
        if self._source is not None:
            try:
                value = self._source(call)
                if inspect.isawaitable(value):
                    value = await value
            except Exception:  # noqa: BLE001 - confidence only tightens, so a failure is the tightest
                value = 0.0
            if value is not None:
                return msgspec.structs.replace(call, confidence=value, confidence_verified=True)
        said = self._reports.get((call.session.id, call.session.agent_id))
        return call if said is None else msgspec.structs.replace(call, confidence=said, confidence_verified=False)

    def report(self, call: ToolCall) -> float:
        """Take the agent's own word from a call of the report tool; what is not a number counts as 0."""
        value = call.input.get("confidence")
        said = float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else 0.0
        key = (call.session.id, call.session.agent_id)
        self._reports[key] = said
        self._reports.move_to_end(key)
        while len(self._reports) > _MAX_AGENTS:
            self._reports.popitem(last=False)
        return said


def report_server() -> McpSdkServerConfig:
    """The in-process MCP server with the report tool. The tool does nothing: the guard reads its calls."""
    from claude_agent_sdk import create_sdk_mcp_server, tool
    from mcp.types import ToolAnnotations

    schema = {
        "type": "object",
        "properties": {
            "confidence": {"type": "number", "minimum": 0, "maximum": 1},
            "why": {"type": "string", "description": "What you are unsure of."},
        },
        "required": ["confidence"],
    }

    @tool(TOOL, _DESCRIPTION, schema, annotations=ToolAnnotations.model_validate({"readOnlyHint": True}))
    async def report_confidence(_: dict[str, Any]) -> dict[str, Any]:
        return {"content": [{"type": "text", "text": "Noted."}]}

    return create_sdk_mcp_server(SERVER, tools=[report_confidence])
