"""OpenAPI 3.1, from the same classes that the code decodes and encodes."""

from __future__ import annotations

from typing import Any

import msgspec

from hitl_opa.model import Decision, ToolCall


def openapi(version: str) -> dict[str, Any]:
    """The description that ``/openapi.json`` serves."""
    _, components = msgspec.json.schema_components([ToolCall, Decision], ref_template="#/components/schemas/{name}")
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
            "title": "hitl-opa decision API",
            "version": version,
            "description": "Tool calls in, allow / ask / deny out. A deny is an answer: 200.",
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
