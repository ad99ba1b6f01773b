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
# description: True where no human will answer an ask now.
alone if input.agent.mode == "dontAsk"

alone if input.agent.unattended

talk if input.call.kind in ["question", "plan"]
