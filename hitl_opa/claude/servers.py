"""What in-process MCP servers claim of their tools."""

from __future__ import annotations

from typing import Any

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
