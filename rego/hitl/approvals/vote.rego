# METADATA
# title: Votes on approvals
# description: >-
#   Whether one person's word on an approval counts, and what it leads to. The input is a ballot, not
#   a call. Nothing here ends undefined: a vote that cannot be judged does not count.
# schemas:
#   - input: schema.ballot
package hitl.approvals

settings := data.hitl.settings.voting

# METADATA
# entrypoint: true
default vote := {
	"counts": false,
	"rule": "approvals.undefined",
	"reason": "The policy could not judge this vote.",
	"outcome": "pending",
}

vote := {"counts": false, "rule": first[0], "reason": first[1], "outcome": "pending"} if {
	sound
	count(refusals) > 0
	first := sort([[r.rule, r.message] | some r in refusals])[0]
}

vote := {"counts": true, "rule": "", "reason": "", "outcome": outcome} if {
	sound
	count(refusals) == 0
}

# --- what the vote leads to: one rejection denies, and enough approvals approve

outcome := "denied" if {
	input.approves == false
} else := "denied" if {
	some v in input.cast
	v.approves == false
} else := "approved" if {
	enough
} else := "pending"

enough if {
	count(agreeing) >= needed
	every names in input.matter.each {
		count([name | some name in names; name in voices]) + count(standing_in) > 0
	}
}

# METADATA
# description: The people who agree, with the one who votes now; nobody counts twice.
agreeing contains name if {
	some v in input.cast
	v.approves == true
	name := v.reviewer
}

agreeing contains name if {
	name := input.voter.name
}

# METADATA
# description: What speaks for the call so far, people and the groups they speak for.
voices := ({name | some name in agreeing} | {group | some v in input.cast; v.approves == true; some group in v.groups}) | {group | some group in input.voter.groups}

# METADATA
# description: Whom the escalation brought in may stand for any list.
standing_in contains name if {
	some name in input.matter.escalated_to
	name in voices
}

# METADATA
# description: >-
#   How many people have to agree. Where approvers are configured, what is critical takes two people
#   whatever else is said.
needed := 2 if {
	two
} else := input.matter.quorum

two if {
	input.matter.risk == "critical"
	count(input.matter.approvers) > 0
	input.matter.quorum < 2
}

# --- why a vote does not count

# METADATA
# title: Whoever votes must be somebody who may review
# custom:
#   id: approvals.role
#   risk: high
#   remedy: Vote as a person with the role reviewer; the keys of agents have none.
refusals contains r if {
	not reviewer
	r := {"rule": "approvals.role", "message": "Only people with the role reviewer decide on approvals."}
}

reviewer if {
	input.voter.name != ""
	some role in input.voter.roles
	role in settings.roles
}

# METADATA
# title: Nobody decides twice
# custom:
#   id: approvals.twice
#   risk: medium
#   remedy: Cancel the approval to take back what was approved.
refusals contains r if {
	some v in input.cast
	lower(v.reviewer) == lower(input.voter.name)
	r := {"rule": "approvals.twice", "message": sprintf("%s has voted on this approval already.", [input.voter.name])}
}

# METADATA
# title: Named approvers are needed
# custom:
#   id: approvals.approvers
#   risk: high
#   remedy: Ask one of the approvers that policy names.
refusals contains r if {
	input.approves
	count(input.matter.approvers) > 0
	not named
	r := {"rule": "approvals.approvers", "message": sprintf("This call needs an approver of %s; %s is none of them.", [concat(", ", sort(input.matter.approvers)), input.voter.name])}
}

named if {
	some name in ({n | some n in input.matter.approvers} | {n | some n in input.matter.escalated_to})
	name in ({input.voter.name} | {group | some group in input.voter.groups})
}

# METADATA
# title: Nobody approves their own agent's call
# custom:
#   id: approvals.self
#   risk: high
#   remedy: Let somebody else approve it.
refusals contains r if {
	input.approves
	several
	lower(input.voter.name) == lower(input.matter.principal)
	r := {"rule": "approvals.self", "message": "Nobody approves their own agent's call where policy names approvers or wants several."}
}

# Where nobody is configured, whoever runs the agent confirms, and the record says self-approved.
several if count(input.matter.approvers) > 0

several if input.matter.quorum > 1

# METADATA
# title: An agent does not decide on calls
# custom:
#   id: approvals.agent
#   risk: critical
#   remedy: Decide as a person.
refusals contains r if {
	input.voter.name != ""
	lower(input.voter.name) == lower(input.matter.agent)
	r := {"rule": "approvals.agent", "message": "An agent does not decide on its own calls."}
}

# METADATA
# title: Approving a risky call takes more than a button or a link
# custom:
#   id: approvals.channel
#   risk: high
#   remedy: Log in to the inbox, or use the command line.
refusals contains r if {
	input.approves
	not suited
	r := {"rule": "approvals.channel", "message": sprintf("What is of %s risk cannot be approved by way of %s.", [input.matter.risk, input.channel])}
}

suited if input.channel in settings.channels[input.matter.risk]

# METADATA
# title: Approving what somebody changed takes looking at it
# custom:
#   id: approvals.edited
#   risk: high
#   remedy: Look at it in the inbox or at the command line.
refusals contains r if {
	input.approves
	input.matter.edited_by != ""
	input.matter.edited_by != input.voter.name
	not looking
	r := {"rule": "approvals.edited", "message": sprintf("%s changed this call, and %s may still show what it was: look at it first.", [input.matter.edited_by, input.channel])}
}

looking if input.channel in settings.channels.high

# METADATA
# title: Approving a critical call takes a fresh login
# custom:
#   id: approvals.fresh
#   risk: critical
#   remedy: Log in again, then approve.
refusals contains r if {
	input.approves
	input.matter.risk in settings.fresh.risks
	not fresh
	r := {"rule": "approvals.fresh", "message": sprintf("What is of %s risk takes a login of the last %v seconds; log in again.", [input.matter.risk, settings.fresh.seconds])}
}

fresh if {
	is_number(input.time)
	is_number(input.voter.authenticated_at)
	input.voter.authenticated_at > 0
	input.voter.authenticated_at <= input.time + 5
	input.time - input.voter.authenticated_at <= settings.fresh.seconds
}

# --- users' own refusals: {rule, message} of the pack hitl.custom; they can refuse, and not let anybody vote

refusals contains r if {
	some x in data.hitl.custom.refusals
	shaped(x)
	r := {"rule": x.rule, "message": x.message}
}

# METADATA
# title: A rule contributed something that is no refusal
# custom:
#   id: approvals.malformed-refusal
#   risk: high
#   remedy: A refusal is {rule, message}, both strings.
refusals contains r if {
	malformed
	r := {"rule": "approvals.malformed-refusal", "message": "A policy rule contributed something that is no refusal, so nobody can vote."}
}

malformed if {
	some x in data.hitl.custom.refusals
	not shaped(x)
}

shaped(x) if {
	is_object(x)
	is_string(x.rule)
	is_string(x.message)
}

# --- a ballot with a field missing or of another type is judged by nobody

sound if {
	input.version == "1"
	is_number(input.time)
	is_boolean(input.approves)
	is_string(input.channel)
	input.matter.risk in ["low", "medium", "high", "critical"]
	every text in [input.matter.principal, input.matter.agent, input.matter.edited_by, input.voter.name] {
		is_string(text)
	}
	is_number(input.matter.quorum)
	input.matter.quorum >= 1
	is_number(input.voter.authenticated_at)
	every names in [input.matter.approvers, input.matter.escalated_to, input.voter.groups, input.voter.roles] {
		strings(names)
	}
	is_array(input.matter.each)
	every names in input.matter.each {
		strings(names)
	}
	is_array(input.cast)
	every v in input.cast {
		is_string(v.reviewer)
		is_boolean(v.approves)
		strings(v.groups)
	}
}

strings(x) if {
	is_array(x)
	every item in x {
		is_string(item)
	}
}
