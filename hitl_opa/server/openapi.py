"""OpenAPI 3.1, from the same classes that the code decodes and encodes."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import msgspec

from hitl_opa.approvals import Approval, State
from hitl_opa.approvals.approval import ORDERS
from hitl_opa.model import Decision, ToolCall
from hitl_opa.notify.decisions import Said
from hitl_opa.server.approvals import MAX_LISTED, AnswerBody, CancelBody, EditBody, VoteBody


def openapi(version: str, served: Collection[str]) -> dict[str, Any]:
    """The description that ``/openapi.json`` serves, of the paths that are ``served``. The inbox is not in it."""
    whole = _all(version)
    return {**whole, "paths": {path: methods for path, methods in whole["paths"].items() if path in served}}


def _all(version: str) -> dict[str, Any]:
    kinds = [ToolCall, Decision, Approval, VoteBody, EditBody, AnswerBody, CancelBody, Said]
    _, components = msgspec.json.schema_components(kinds, ref_template="#/components/schemas/{name}")
    components["Brief"] = _brief(components["Approval"])
    call = {"$ref": "#/components/schemas/ToolCall"}
    decision = {"$ref": "#/components/schemas/Decision"}
    named = {
        "allOf": [
            decision,
            {"type": "object", "properties": {"id": {"type": "string"}, "decision_id": {"type": "string"}}},
        ]
    }
    many = {"type": "object", "required": ["calls"], "properties": {"calls": {"type": "array", "items": call}}}
    all_of_them = {"type": "object", "properties": {"decisions": {"type": "array", "items": named}}}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "hitl-opa API",
            "version": version,
            "description": "Tool calls in, allow / ask / deny out; approvals where kept. A deny is an answer: 200.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "security": [{"key": []}],
        "paths": {
            "/v1/decisions": {
                "post": _post("Decide one tool call or many", {"oneOf": [call, many]}, {"oneOf": [named, all_of_them]})
            },
            "/v1/data/hitl/main/decision": {
                "post": _post(
                    "Decide as OPA answers",
                    {"type": "object", "required": ["input"], "properties": {"input": {"type": "object"}}},
                    {"type": "object", "properties": {"result": decision, "decision_id": {"type": "string"}}},
                )
            },
            **_approvals(),
            **_others(),
            "/healthz": {
                "get": {
                    "summary": "Whether calls can be decided",
                    "operationId": "health",
                    "security": [],
                    "responses": {"200": {"description": "They can."}, "503": {"description": "They cannot."}},
                }
            },
        },
        "components": {
            "schemas": {**components, "Error": _ERROR},
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
        },
    }


def _brief(approval: dict[str, Any]) -> dict[str, Any]:
    """The schema of an approval without what reviewers are shown."""
    left = ("document", "decision", "edit")
    known = {name: schema for name, schema in approval["properties"].items() if name not in left}
    known |= {"outcome": {"type": "string"}, "escalated_to": {"type": "array", "items": {"type": "string"}}}
    required = [name for name in approval["required"] if name not in left]
    return {"type": "object", "title": "Brief", "properties": known, "required": [*required, "outcome"]}


def _approvals() -> dict[str, Any]:
    """``/v1/approvals``: served where approvals are kept."""
    approval = {"$ref": "#/components/schemas/Approval"}
    brief = {"$ref": "#/components/schemas/Brief"}
    text = {"type": "string"}
    named: dict[str, Any] = {"state": {"type": "string", "description": f"Of {', '.join(State)}; several with commas."}}
    named |= dict.fromkeys(("text", "agent", "tool", "risk", "session", "after"), text)
    named["order"] = {"type": "string", "enum": list(ORDERS), "default": "newest"}
    named["limit"] = {"type": "integer", "minimum": 1, "maximum": MAX_LISTED, "default": 100}
    id = {"name": "id", "in": "path", "required": True, "schema": text}
    error = {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}}
    late = {"404": {"description": "There is none.", **error}}
    late["403"] = {"description": "The key's roles, or policy, do not let its principal do this.", **error}
    late["409"] = {"description": "It comes too late, or cannot be.", **error}

    def said(summary: str, kind: type[msgspec.Struct]) -> dict[str, Any]:
        post = _post(summary, {"$ref": f"#/components/schemas/{kind.__name__}"}, brief)
        return {"post": {**post, "parameters": [id], "responses": {**post["responses"], **late}}}

    def got(summary: str, parameters: list[dict[str, Any]], answer: dict[str, Any]) -> dict[str, Any]:
        found = {"description": "Found.", "content": {"application/json": {"schema": answer}}}
        return {
            "get": {
                "summary": summary,
                "operationId": summary.lower().replace(" ", "_"),
                "parameters": parameters,
                "responses": {"200": found, "401": {"description": "No key.", **error}, **late},
            }
        }

    listed = {"type": "object", "properties": {"approvals": {"type": "array", "items": brief}}}
    parameters = [{"name": name, "in": "query", "schema": schema} for name, schema in named.items()]
    return {
        "/v1/approvals": got("List approvals", parameters, listed),
        "/v1/approvals/{id}": got("Get an approval", [id], approval),
        "/v1/approvals/{id}/vote": said("Approve or reject", VoteBody),
        "/v1/approvals/{id}/edit": said("Approve another input", EditBody),
        "/v1/approvals/{id}/answer": said("Answer a question", AnswerBody),
        "/v1/approvals/{id}/cancel": said("Withdraw an approval", CancelBody),
    }


def _others() -> dict[str, Any]:
    """What is served for hosts, chats and monitoring."""
    anything: dict[str, Any] = {"type": "object"}
    form = {"application/x-www-form-urlencoded": {"schema": anything}}
    page = {"text/html": {"schema": {"type": "string"}}}
    said = {"type": "object", "properties": {name: {"type": "string"} for name in ("approval", "state", "problem")}}
    webhook = _post("Decide as another system, signed as Standard Webhooks say", _SAID, said)
    hook = _post("Answer a hook of Claude Code, which takes no key over the Unix socket", anything, anything)
    press = {
        "summary": "A button of Slack's was pressed, signed as Slack does",
        "operationId": "slack",
        "security": [],
        "requestBody": {"required": True, "content": form},
        "responses": {"200": {"description": "Taken."}, "403": {"description": "Not genuine, or too old."}},
    }
    token = {"name": "token", "in": "path", "required": True, "schema": {"type": "string"}}
    link: dict[str, Any] = {
        "parameters": [token],
        "security": [],
        "responses": {"200": {"description": "A page.", "content": page}, "403": {"description": "Not genuine."}},
    }
    decide = {"summary": "Decide by the form of its page", "operationId": "decide_by_link"}
    return {
        "/hooks/claude-code": {"post": {**hook, "operationId": "claude_code_hook"}},
        "/notify/webhook": {"post": {**webhook, "operationId": "webhook", "security": []}},
        "/notify/slack": {"post": press},
        "/links/{token}": {
            "get": {"summary": "Look at a signed link; this decides nothing", "operationId": "link", **link},
            "post": {**decide, **link, "requestBody": {"required": True, "content": form}},
        },
        "/metrics": {"get": _got("Numbers for Prometheus", "metrics", "text/plain", {"type": "string"})},
        "/openapi.json": {"get": {**_got("This description", "openapi", "application/json", anything), "security": []}},
    }


def _got(summary: str, id: str, media: str, answer: dict[str, Any]) -> dict[str, Any]:
    found = {"description": "Here it is.", "content": {media: {"schema": answer}}}
    return {"summary": summary, "operationId": id, "responses": {"200": found}}


_SAID = {"$ref": "#/components/schemas/Said"}
_ERROR = {
    "type": "object",
    "required": ["code", "message"],
    "properties": {"code": {"type": "string"}, "message": {"type": "string"}},
}


def _post(summary: str, body: dict[str, Any], answer: dict[str, Any]) -> dict[str, Any]:
    error = {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}}
    return {
        "summary": summary,
        "operationId": summary.lower().replace(" ", "_"),
        "requestBody": {"required": True, "content": {"application/json": {"schema": body}}},
        "responses": {
            "200": {"description": "Decided.", "content": {"application/json": {"schema": answer}}},
            "400": {"description": "No tool call.", **error},
            "401": {"description": "No key, or one that is not listed.", **error},
            "413": {"description": "Too large.", **error},
        },
    }
