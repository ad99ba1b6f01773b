package hitl.packs.shell_test

import data.hitl.fixtures
import data.hitl.packs.shell

reason(rule, verdict, risk, message, remedy) := {{
	"rule": rule,
	"verdict": verdict,
	"risk": risk,
	"message": message,
	"remedy": remedy,
}}

with_trait(trait) := fixtures.shell([
	fixtures.marked("configure", "path", "/x", "outside", [trait]),
	fixtures.effect("read", "path", "/y", "outside"),
])

test_fork_bomb if {
	expected := reason("shell.fork-bomb", "deny", "critical", "This multiplies itself until the machine stops.", "Nothing an agent does needs this.")
	shell.reasons == expected with input as with_trait("fork-bomb")
}

test_elevated if {
	expected := reason("shell.elevated", "ask", "high", "This runs with elevated privilege: /x.", "Run it without sudo, or ask for the privilege by name.")
	shell.reasons == expected with input as with_trait("elevated")
}

test_tamper if {
	expected := reason("shell.tamper", "ask", "critical", "This erases a record of what happened: /x.", "Leave the record as it is.")
	shell.reasons == expected with input as with_trait("tamper")
}

test_disable_security if {
	expected := reason("shell.disable-security", "ask", "critical", "This switches a protection off: /x.", "Leave protections on.")
	shell.reasons == expected with input as with_trait("disable-security")
}

test_persistence if {
	expected := reason("shell.persistence", "ask", "critical", "This sets something up to run later by itself: /x.", "Run it once, now.")
	shell.reasons == expected with input as with_trait("persistence")
}

test_other_traits_say_nothing if {
	every trait in ["recursive", "force", "background", "overwrite"] {
		shell.reasons == set() with input as with_trait(trait)
	}
}

# What a trait means does not depend on the tool.
test_any_tool if {
	fixtures.ids(shell.reasons) == {"shell.fork-bomb"} with input as fixtures.mcp("terminal", "run", [fixtures.marked("execute", "code", "x", "inline", ["fork-bomb"])], {})
}
