package hitl.packs.sql_test

import data.hitl.fixtures
import data.hitl.packs.sql

statement(verb, where) := fixtures.but(
	fixtures.shell([fixtures.effect("query", "database", "app", "unknown")]),
	{"facts": {"sql": [{"verb": verb, "tables": ["t"], "where": where}]}},
)

change(verb) := {
	"rule": "sql.change",
	"verdict": "ask",
	"risk": "high",
	"message": sprintf("This statement changes the database: %s.", [verb]),
	"remedy": "Let a migration that was reviewed change it.",
}

test_drop if {
	every verb in ["drop", "truncate"] {
		sql.reasons == {change(verb), {
			"rule": "sql.drop",
			"verdict": "ask",
			"risk": "critical",
			"message": sprintf("This statement destroys data: %s.", [verb]),
			"remedy": "Take a backup and let a person run it.",
		}} with input as statement(verb, false)
	}
}

test_no_where if {
	every verb in ["delete", "update"] {
		sql.reasons == {change(verb), {
			"rule": "sql.no-where",
			"verdict": "ask",
			"risk": "critical",
			"message": sprintf("This %s has no WHERE and reaches every row.", [verb]),
			"remedy": "Add a WHERE clause.",
		}} with input as statement(verb, false)
	}
}

test_privileges if {
	sql.reasons == {change("grant"), {
		"rule": "sql.privileges",
		"verdict": "ask",
		"risk": "critical",
		"message": "This statement changes who may do what: grant.",
		"remedy": "Let the owner of the database do it.",
	}} with input as statement("grant", false)
}

test_where if {
	sql.reasons == {change("delete")} with input as statement("delete", true)
}

test_reading if {
	every verb in ["select", "show", "describe", "explain"] {
		sql.reasons == set() with input as statement(verb, false)
	}
}

test_an_unknown_statement_changes if {
	sql.reasons == {change("command")} with input as statement("command", false)
}
