# METADATA
# title: Permission modes
# description: >-
#   The SDK's six modes. plan is read-only and questions; acceptEdits and bypassPermissions act on
#   the autonomy level; dontAsk leaves nobody to ask; default and auto change nothing.
package hitl.modes

# METADATA
# title: Plan mode changes nothing
# custom:
#   id: modes.plan
#   risk: medium
#   remedy: Present the plan with ExitPlanMode and act after it is approved.
reasons contains r if {
	input.agent.mode == "plan"
	not talk
	not planning
	not data.hitl.lib.read_only
	r := {
		"rule": "modes.plan",
		"pack": "modes",
		"verdict": "deny",
		"risk": "medium",
		"message": "Plan mode is read-only: this call would change something, or cannot be shown not to.",
		"remedy": "Present the plan with ExitPlanMode and act after it is approved.",
		"floor": false,
		"waives": [],
	}
}

# METADATA
# title: The plan is written down
# description: Plan mode keeps the plan in a file of Claude Code's own; whoever approves it reads it there.
# custom:
#   id: modes.plan-file
#   risk: low
#   remedy: Write the plan to the file that plan mode names.
plans contains r if {
	input.agent.mode == "plan"
	planning
	r := {
		"rule": "modes.plan-file",
		"pack": "modes",
		"verdict": "allow",
		"risk": "low",
		"message": "This writes the plan down, in Claude Code's own file for it.",
		"remedy": "Write the plan to the file that plan mode names.",
		"floor": false,
		"waives": ["autonomy.level", "effects.tier"],
	}
}

# METADATA
# description: True where the call does nothing but read or write plans of Claude Code.
planning if {
	input.call.kind == "file"
	count(input.facts.opaque) == 0
	count(input.facts.effects) > 0
	every e in input.facts.effects {
		e.verb in ["read", "write"]
		"plan" in e.traits
		e.target.place in ["dotfile", "home", "outside", "temp"] # wherever Claude Code keeps its settings, and no stricter
	}
}

# METADATA
# description: True where no human will answer an ask now.
alone if input.agent.mode == "dontAsk"

alone if input.agent.unattended

talk if input.call.kind in ["question", "plan"]
