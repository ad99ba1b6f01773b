"""The pytest plugin, in a pytest of its own."""

from __future__ import annotations

import pytest

pytest_plugins = ["pytester"]

RULE = """package hitl.custom

# METADATA
# title: No friday
# custom: {risk: high}
reasons contains r if {
	input.call.tool == "Deploy"
	r := {
		"rule": "custom.friday",
		"pack": "custom",
		"verdict": "deny",
		"risk": "high",
		"message": "Not on a Friday.",
		"remedy": "",
		"floor": false,
		"waives": [],
	}
}
"""
TESTS = """package hitl.custom_test

import data.hitl.custom

test_denied if {
	count(custom.reasons) == 1 with input as {"call": {"tool": "Deploy"}}
}

test_wrong if {
	count(custom.reasons) == 1 with input as {"call": {"tool": "Read"}}
}
"""


@pytest.fixture
def project(pytester: pytest.Pytester) -> pytest.Pytester:
    pytester.makeini("[pytest]\nasyncio_mode = auto\nasyncio_default_fixture_loop_scope = function\n")
    rules = pytester.mkdir("rules")
    (rules / "friday.rego").write_text(RULE)
    (rules / "friday_test.rego").write_text(TESTS)
    return pytester


def test_each_rego_test_is_an_item(project: pytest.Pytester) -> None:
    result = project.runpytest_subprocess("rules", "-v")
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["*friday_test.rego::test_denied PASSED*", "*friday_test.rego:9: *test_wrong*"])


def test_one_rego_test_can_be_chosen(project: pytest.Pytester) -> None:
    project.runpytest_subprocess("rules/friday_test.rego::test_denied").assert_outcomes(passed=1)
    project.runpytest_subprocess("rules", "-k", "wrong").assert_outcomes(failed=1, deselected=1)


def test_policies_may_be_spread_over_directories(project: pytest.Pytester) -> None:
    tests = project.mkdir("spread")
    (project.path / "rules" / "friday_test.rego").rename(tests / "friday_test.rego")
    project.runpytest_subprocess("spread").assert_outcomes(failed=2)
    project.runpytest_subprocess("spread", "-o", "hitl_policies=rules spread").assert_outcomes(passed=1, failed=1)


def test_files_may_be_left_alone(project: pytest.Pytester) -> None:
    assert project.runpytest_subprocess("rules", "-o", "hitl_rego=false").ret == pytest.ExitCode.NO_TESTS_COLLECTED


def test_a_policy_that_cannot_be_read_is_a_collection_error(project: pytest.Pytester) -> None:
    (project.path / "rules" / "data.yaml").write_text("a: [")
    result = project.runpytest_subprocess("rules")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*data.yaml*"])


def test_a_policy_that_does_not_compile_fails_its_tests(project: pytest.Pytester) -> None:
    (project.path / "rules" / "friday.rego").write_text("package hitl.custom\nreasons contains {")
    project.runpytest_subprocess("rules").assert_outcomes(failed=2)


def test_fixtures(project: pytest.Pytester) -> None:
    project.makepyfile(
        """
        from hitl_opa.model import ToolCall
        from hitl_opa.testing import tool_use

        async def test_guard(hitl_guard):
            guard = hitl_guard(level=2)
            decision = await guard.decide(ToolCall(tool="Read", input={"file_path": "a"}, cwd="/w"))
            assert decision.verdict == "allow"

        async def test_agent(hitl_agent, hitl_guard, hitl_sandbox):
            run = await hitl_agent([tool_use("Bash", command="touch made"), "done"], guard=hitl_guard(level=1))
            assert run.executed == []
            assert hitl_sandbox.files() == set()
        """
    )
    project.runpytest_subprocess("-k", "fixtures").assert_outcomes(passed=2, deselected=2)
