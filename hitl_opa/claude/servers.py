"""In-process MCP servers: what they claim of their tools, and a gate inside them."""

from __future__ import annotations

import copy
import dataclasses
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hitl_opa.claude.settled import Open

CALL = "tools/call"
Claims = dict[str, dict[str, Any]]
"""Annotations by full tool name (``mcp__server__tool``)."""


class Servers:
    """``configs``: the MCP servers of the options. Only in-process servers can be asked; others claim nothing."""

    def __init__(self, configs: Any) -> None:
        self._instances = {
            name: config["instance"]
            for name, config in (configs.items() if isinstance(configs, dict) else ())
            if isinstance(config, dict) and config.get("type") == "sdk"
        }
        self._claims: dict[str, Claims] = {}

    async def claims(self, tool: str) -> dict[str, Any]:
        """The annotations of a tool, ``{}`` where there are none or they cannot be had."""
        name = next((n for n in self._instances if tool.startswith(f"mcp__{n}__")), None)
        if name is None:
            return {}
        if name not in self._claims:
            self._claims[name] = await _read(name, self._instances[name])
        return self._claims[name].get(tool, {})


async def _read(name: str, instance: Any) -> Claims:
    from mcp.types import PaginatedRequestParams

    try:
        entry = instance.get_request_handler("tools/list")
        listed = await entry.handler(None, PaginatedRequestParams())
        return {
            f"mcp__{name}__{tool.name}": tool.annotations.model_dump(by_alias=True, exclude_none=True)
            for tool in listed.tools
            if tool.annotations is not None
        }
    except Exception:  # noqa: BLE001 - a server that cannot be asked claims nothing, which is the strict side
        return {}


def gated(configs: Any, open: Open) -> Any:
    """The servers of some options, the in-process ones among them as copies that run a call only if it was allowed.

    The CLI names the tool call with each request. Should it ever send one that passed no hook (as it does
    when a deferred call is resumed), the tool itself refuses. Raises ConfigError for a server that cannot be gated.
    """
    if not isinstance(configs, dict):
        return configs
    return {name: _gated(name, config, open) for name, config in configs.items()}


def _gated(name: str, config: Any, open: Open) -> Any:
    if not isinstance(config, dict) or config.get("type") != "sdk":
        return config
    entry = config["instance"].get_request_handler(CALL)
    if entry is None:
        return config  # it has no tools
    prefix = f"mcp__{re.sub(r'[^a-zA-Z0-9_-]', '_', name)}__"

    async def call(context: Any, params: Any) -> Any:
        id = str((params.meta or {}).get("claudecode/toolUseId", ""))
        tool = prefix + re.sub(r"[^a-zA-Z0-9_-]", "_", params.name)
        if open.start(id, tool, params.arguments or {}):
            return await entry.handler(context, params)
        from mcp.types import CallToolResult, TextContent

        told = f"hitl-opa: {params.name} was not allowed to run on this input, so it did not."
        return CallToolResult(content=[TextContent(type="text", text=told)], is_error=True)

    server = copy.copy(config["instance"])
    server._request_handlers = {**server._request_handlers, CALL: dataclasses.replace(entry, handler=call)}
    return {**config, "instance": server}
