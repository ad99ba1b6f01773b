package hitl.tier_test

import data.hitl.fixtures
import data.hitl.tier

looking := [fixtures.effect("query", "remote", "x", "service")]

test_listed if {
	tier.reasons == {{"rule": "tier.tool", "verdict": "allow", "risk": "low", "message": "Read runs without asking (tier auto)."}} with input as fixtures.reading
	tier.source == "tool" with input as fixtures.reading
}

test_confirm_and_approve if {
	plan := {"rule": "tier.tool", "verdict": "ask", "risk": "medium", "message": "ExitPlanMode needs a yes (tier confirm)."}
	tier.reasons == {plan} with input as fixtures.call("ExitPlanMode", "plan", [])
	deploy := {"rule": "tier.tool", "verdict": "ask", "risk": "high", "message": "deploy needs a named approver (tier approve)."}
	tier.reasons == {deploy} with input as fixtures.call("deploy", "function", looking)
}

# The table of the guide, whatever server the tool is on.
test_the_guides_table if {
	every name, expected in {
		"read_file": {"permission": "auto", "risk": "low"},
		"search_code": {"permission": "auto", "risk": "low"},
		"edit_file": {"permission": "auto", "risk": "medium"},
		"run_tests": {"permission": "auto", "risk": "medium"},
		"git_commit": {"permission": "confirm", "risk": "medium"},
		"deploy": {"permission": "approve", "risk": "high"},
		"delete_data": {"permission": "approve", "risk": "critical"},
		"modify_access": {"permission": "approve", "risk": "critical"},
	} {
		tier.cell == expected with input as fixtures.mcp("any", name, looking, {})
		tier.cell == expected with input as fixtures.call(name, "function", looking)
	}
}

test_full_name_before_name if {
	tier.cell == {"permission": "confirm", "risk": "low"} with input as fixtures.mcp("ci", "deploy", looking, {})
		with data.hitl.tiers.tools.mcp__ci__deploy as {"permission": "confirm", "risk": "low"}
}

# A server may name its tool Read; that makes it no built-in tool.
test_names_of_built_in_tools_are_not_for_others if {
	every tool in ["Read", "Bash", "TodoWrite"] {
		tier.source == "unknown" with input as fixtures.mcp("evil", tool, [], {})
		tier.source == "unknown" with input as fixtures.call(tool, "function", [])
	}
}

test_kind if {
	tier.reasons == {{"rule": "tier.tool", "verdict": "allow", "risk": "low", "message": "mcp__crm__find runs without asking (tier auto)."}} with input as fixtures.mcp("crm", "find", looking, {})
	tier.source == "kind" with input as fixtures.call("find", "function", looking)
}

unknown(tool) := {{
	"rule": "tier.unknown",
	"verdict": "ask",
	"risk": "medium",
	"message": sprintf("%s is in no tier, and what it does is not known.", [tool]),
	"remedy": "Give the tool a tier in your data, under tiers.",
}}

test_unknown_without_effects if {
	tier.reasons == unknown("mcp__crm__frob") with input as fixtures.mcp("crm", "frob", [], {})
}

test_unknown_where_something_is_opaque if {
	tier.reasons == unknown("frob") with input as fixtures.but(fixtures.call("frob", "function", looking), {"facts": {"opaque": [{"kind": "eval"}]}})
}

test_unknown_kind if {
	tier.reasons == unknown("Frob") with input as fixtures.call("Frob", "unheard of", looking)
}

test_a_broken_tier_is_not_listed if {
	tier.reasons == unknown("Read") with input as fixtures.reading
		with data.hitl.tiers.tools.Read as {"permission": "yes", "risk": "low"}
}

test_pattern if {
	expected := {
		"rule": "tier.pattern",
		"verdict": "ask",
		"risk": "high",
		"message": "mcp__ci__Deploy_Site needs a named approver, as every deploy_* (tier approve).",
		"remedy": "Give the tool a tier of its own in your data, under tiers.",
	}
	expected in tier.reasons with input as fixtures.mcp("ci", "Deploy_Site", looking, {})
}

test_pattern_crosses_dots if {
	"tier.pattern" in fixtures.ids(tier.reasons) with input as fixtures.call("deploy_x.y", "function", looking)
}

test_no_pattern if {
	fixtures.ids(tier.reasons) == {"tier.tool"} with input as fixtures.mcp("ci", "list_deploys", looking, {})
	fixtures.ids(tier.reasons) == {"tier.tool"} with input as fixtures.call("deploy_site", "shell", looking)
		with data.hitl.tiers.tools.deploy_site as {"permission": "auto", "risk": "low"}
}

test_a_listed_tool_needs_no_pattern if {
	fixtures.ids(tier.reasons) == {"tier.tool"} with input as fixtures.mcp("ci", "deploy_site", looking, {})
		with data.hitl.tiers.tools.mcp__ci__deploy_site as {"permission": "auto", "risk": "low"}
}

test_a_broken_pattern_asks if {
	some r in tier.reasons with input as fixtures.call("deploy_site", "function", looking)
		with data.hitl.tiers.patterns as {"deploy_*": {"permission": "yes", "risk": "low"}}
	r.rule == "tier.pattern"
	r.verdict == "ask"
	r.risk == "high"
}

test_claimed_high if {
	every risk in ["high", "critical"] {
		expected := {
			"rule": "tier.claimed",
			"verdict": "ask",
			"risk": risk,
			"message": sprintf("Read is of %s risk, says its caller.", [risk]),
			"remedy": "Approve the call.",
		}
		expected in tier.reasons with input as fixtures.but(fixtures.reading, {"call": {"claimed_risk": risk}})
	}
}

test_claimed_low if {
	every risk in ["low", "medium"] {
		expected := {"rule": "tier.claimed", "verdict": "allow", "risk": risk, "message": sprintf("Read is of %s risk, says its caller.", [risk])}
		expected in tier.reasons with input as fixtures.but(fixtures.reading, {"call": {"claimed_risk": risk}})
	}
}

test_no_claim if {
	fixtures.ids(tier.reasons) == {"tier.tool"} with input as fixtures.reading
}
