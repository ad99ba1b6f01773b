# METADATA
# title: Grants
# description: What a human allowed for a time. A grant waives the rules that it names, of calls that it covers, and no others.
package hitl.packs.grants

# METADATA
# title: A standing grant covers this call
# custom:
#   id: grants.standing
#   risk: low
#   remedy: Revoke the grant to be asked again.
reasons contains r if {
	input.approval.grant.id != ""
	covers
	r := {
		"rule": "grants.standing",
		"verdict": "allow",
		"risk": "low",
		"message": message,
		"remedy": "Revoke the grant to be asked again.",
		"waives": input.approval.grant.waives,
	}
}

message := sprintf("%s allowed calls equal to this one for a time.", [input.approval.grant.reviewer]) if {
	input.approval.grant.kind == "equal"
}

message := sprintf("%s allowed calls that do no more than this one for a time.", [input.approval.grant.reviewer]) if {
	input.approval.grant.kind == "scope"
}

message := sprintf("%s approved a plan, and this call does nothing that the plan does not cover.", [input.approval.grant.reviewer]) if {
	input.approval.grant.kind == "plan"
}

# METADATA
# description: True where the grant covers this call. One that says of a field nothing in particular covers any.
covers if {
	input.approval.grant.kind == "equal"
	input.approval.grant.equal == true
}

covers if {
	input.approval.grant.kind in ["scope", "plan"]
	input.approval.grant.tool in ["", input.call.tool]
	input.approval.grant.agent in ["", input.agent.id]
	input.approval.grant.session in ["", input.agent.session]
	count(input.facts.opaque) == 0
	count(input.facts.effects) > 0
	every e in input.facts.effects {
		within(e)
	}
}

within(e) if {
	some s in input.approval.grant.effects
	s.verb == e.verb
	e.target.place != "unknown"
	s.type == e.target.type
	s.place == e.target.place
	under(s.under, e.target)
}

under(directory, _) if directory == ""

under(directory, target) if {
	endswith(directory, "/")
	startswith(target.real, directory)
}

under(value, target) if {
	value != ""
	value == target.value
}
