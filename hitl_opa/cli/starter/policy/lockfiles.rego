# METADATA
# title: Rules of this project
# description: >-
#   Any number of files in package hitl.custom may contribute to `reasons`; there is no list to keep.
#   Look at what a call does (`input.facts.effects`), not at the name of the program that does it:
#   then an edit, a shell command and an MCP tool are all met by the same rule.
package hitl.custom

# METADATA
# title: Dependencies change only with a person's yes
# custom:
#   id: custom.lockfile
#   risk: high
#   remedy: Name the dependency and why it is needed, and let a person change it.
reasons contains r if {
	changed := sort({e.target.value |
		some e in input.facts.effects
		e.verb in ["write", "delete"]
		strings.any_suffix_match(e.target.value, lockfiles)
	})
	count(changed) > 0
	r := {
		"rule": "custom.lockfile",
		"verdict": "ask",
		"risk": "high",
		"message": sprintf("This changes what is installed: %s.", [concat(", ", changed)]),
		"remedy": "Name the dependency and why it is needed, and let a person change it.",
	}
}

lockfiles := ["package-lock.json", "yarn.lock", "pnpm-lock.yaml", "poetry.lock", "uv.lock", "Cargo.lock", "go.sum"]

# A rule can also take an ask of another rule away. This one would let the agent commit by itself:
#
# reasons contains r if {
# 	input.call.kind == "shell"
# 	input.facts.commands[0].program == "git"
# 	input.facts.commands[0].args[0] == "commit"
# 	count(input.facts.commands) == 1
# 	r := {
# 		"rule": "custom.commit",
# 		"verdict": "allow",
# 		"risk": "medium",
# 		"message": "Commits are welcome here.",
# 		"waives": ["autonomy.level"],
# 	}
# }
