"""The scripted model, spoken to as the CLI speaks to it."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from typing import Any

import pytest

from hitl_opa.testing import ScriptedModel, text, tool_use


def post(model: ScriptedModel, messages: Any, path: str = "/v1/messages", **body: Any) -> Any:
    data = json.dumps({"messages": messages, "tools": [{}], **body}).encode()
    with urllib.request.urlopen(urllib.request.Request(model.url + path, data=data), timeout=5) as reply:
        raw = reply.read()
    return raw.decode() if body.get("stream") else json.loads(raw)


def user(*content: Any) -> dict[str, Any]:
    return {"role": "user", "content": content[0] if len(content) == 1 else list(content)}


def said(message: Any) -> list[str]:
    return [block.get("text") or block["name"] for block in message["content"]]


def test_turns_are_served_in_order_and_then_the_script_has_ended() -> None:
    with ScriptedModel(["one", ["two", tool_use("Bash", command="ls")], lambda body: text(str(len(body)))]) as model:
        first = post(model, [user("a")])
        second = post(model, [user("b")])
        third = post(model, [user("c")], extra=1)
        fourth = post(model, [user("d")])
    assert (said(first), first["stop_reason"]) == (["one"], "end_turn")
    assert (said(second), second["stop_reason"]) == (["two", "Bash"], "tool_use")
    assert second["content"][1]["id"]
    assert second["content"][1]["input"] == {"command": "ls"}
    assert said(third) == ["3"]
    assert "ended" in said(fourth)[0]


def test_a_retry_gets_the_same_answer() -> None:
    with ScriptedModel([tool_use("A"), "two"]) as model:
        assert post(model, [user("a")])["content"] == post(model, [user("a")])["content"]
        assert said(post(model, [user("b")])) == ["two"]
        assert len(model.requests) == 2
        assert len(model.calls) == 1


def test_a_request_without_tools_takes_no_turn() -> None:
    with ScriptedModel(["one"]) as model:
        post(model, [user("title?")], tools=[])
        assert said(post(model, [user("a")])) == ["one"]
        assert (len(model.requests), len(model.side_requests)) == (1, 1)


def test_subagents_have_scripts_of_their_own() -> None:
    with ScriptedModel(["main"], agents={"ERRAND": ["sub"]}) as model:
        assert said(post(model, [user([{"type": "text", "text": "do the ERRAND"}])])) == ["sub"]
        assert said(post(model, [user("ordinary")])) == ["main"]
        model.say("more", agent="ERRAND")
        assert said(post(model, [user("ERRAND"), user("again")])) == ["more"]


def test_results_are_what_the_model_was_told() -> None:
    result = {"type": "tool_result", "tool_use_id": "t1", "is_error": True, "content": [text("no")]}
    with ScriptedModel(["one", "two"]) as model:
        post(model, [user([result])])
        post(model, [user([{**result, "content": "cleared"}])])
        told = model.results()["t1"]
    assert (told.text, told.is_error) == ("no", True)


def test_streams_are_what_the_api_streams() -> None:
    with ScriptedModel([["hello", tool_use("Bash", command="ls")]]) as model:
        raw = post(model, [user("a")], stream=True)
    events = [json.loads(line[6:]) for line in raw.splitlines() if line.startswith("data: ")]
    assert [e["type"] for e in events] == [
        "message_start",
        *["content_block_start", "content_block_delta", "content_block_stop"] * 2,
        "message_delta",
        "message_stop",
    ]
    assert events[2]["delta"] == {"type": "text_delta", "text": "hello"}
    assert json.loads(events[5]["delta"]["partial_json"]) == {"command": "ls"}
    assert events[-2]["delta"]["stop_reason"] == "tool_use"


def test_a_script_that_fails_says_so() -> None:
    def broken(_: Any) -> Any:
        raise KeyError("oops")

    with ScriptedModel([broken]) as model, pytest.raises(urllib.error.HTTPError) as caught:
        post(model, [user("a")])
    with caught.value as error:
        assert error.code == 400
        assert "oops" in error.read().decode()


def test_other_endpoints_answer() -> None:
    with ScriptedModel() as model:
        assert post(model, [user("abc")], "/v1/messages/count_tokens")["input_tokens"] > 0
        assert post(model, [], "/api/event_logging") == {}
        with urllib.request.urlopen(model.url + "/v1/models", timeout=5) as reply:
            assert json.loads(reply.read())["data"] == []
