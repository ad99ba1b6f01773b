package hitl.lib_test

import data.hitl.fixtures
import data.hitl.lib

test_proper if {
	lib.proper({"permission": "auto", "risk": "low"})
	lib.proper({"permission": "confirm", "risk": "medium"})
	lib.proper({"permission": "approve", "risk": "critical"})
}

test_improper if {
	every cell in [{"permission": "maybe", "risk": "low"}, {"permission": "auto", "risk": "some"}, {"permission": "auto"}, {}, "auto", 7] {
		not lib.proper(cell)
	}
}

test_permissions if {
	lib.permissions == {"auto": "allow", "confirm": "ask", "approve": "ask"}
}

test_orders if {
	lib.verdict_rank == {"allow": 0, "ask": 1, "deny": 2}
	[lib.risk_rank[name] | some name in lib.risk_names] == [0, 1, 2, 3]
}

test_highest if {
	lib.highest([{"risk": "low"}, {"risk": "high"}, {"risk": "medium"}]) == "high"
	lib.highest([{"risk": "unheard of"}, {"risk": "low"}]) == "critical"
}

facts := fixtures.shell([
	fixtures.marked("read", "path", "/home/dev/project/a", "workspace", ["recursive"]),
	fixtures.effect("send", "path", "/home/dev/b", "home"),
	fixtures.effect("delete", "path", "/tmp/c", "temp"),
	fixtures.effect("receive", "host", "x.org", "public"),
])

test_grouping if {
	lib.kinds == {["path", "read", "workspace"], ["path", "send", "home"], ["path", "delete", "temp"], ["host", "receive", "public"]} with input as facts
	lib.verbs == {"read", "send", "delete", "receive"} with input as facts
	lib.types == {"path", "host"} with input as facts
	lib.traits == {"recursive"} with input as facts
	lib.taken == {"workspace", "home"} with input as facts
	lib.changed == {"temp"} with input as facts
}

test_remote_places if {
	busy := fixtures.shell([
		fixtures.effect("publish", "remote", "main", "protected-branch"),
		fixtures.effect("query", "remote", "x", "service"),
		fixtures.effect("receive", "remote", "x", "release"),
		fixtures.effect("read", "database", "x", "unknown"),
		fixtures.effect("write", "database", "x", "production"),
		fixtures.effect("receive", "host", "x.org", "public"),
	])
	lib.shared == {"protected-branch", "production"} with input as busy
	lib.hosts == {"public"} with input as busy
}

test_on if {
	lib.on("path", ["read", "delete"], ["temp", "home"]) == {fixtures.effect("delete", "path", "/tmp/c", "temp")} with input as facts
	lib.on("host", ["receive"], ["public"]) == {fixtures.effect("receive", "host", "x.org", "public")} with input as facts
	lib.on("host", ["receive"], ["private"]) == set() with input as facts
}

test_marked if {
	lib.marked("recursive") == {fixtures.marked("read", "path", "/home/dev/project/a", "workspace", ["recursive"])} with input as facts
	lib.marked("force") == set() with input as facts
}

test_among if {
	found := {fixtures.marked("read", "path", "a", "workspace", ["all"]), fixtures.effect("read", "path", "b", "workspace")}
	{e.target.value | some e in lib.among(found, ["all", "bulk"])} == {"a"}
}

test_outward if {
	{e.target.value | some e in lib.outward} == {"x.org", "shop", "a@b.example", "bank"} with input as fixtures.shell([
		fixtures.effect("send", "host", "x.org", "public"),
		fixtures.effect("send", "host", "localhost", "loopback"),
		fixtures.effect("send", "host", "ours.example", "pinned"),
		fixtures.effect("publish", "remote", "shop", "service"),
		fixtures.effect("send", "person", "a@b.example", "unknown"),
		fixtures.effect("spend", "account", "bank", "remote"),
		fixtures.effect("query", "remote", "y", "service"),
		fixtures.effect("send", "path", "z", "home"),
	])
}

test_names if {
	lib.names({fixtures.effect("read", "path", "b", "workspace"), fixtures.effect("read", "path", "a", "workspace")}) == "a, b"
	lib.names({fixtures.effect("read", "path", name, "workspace") | some name in ["a", "b", "c", "d", "e"]}) == "a, b, c and 2 more"
}

test_what_has_no_name_of_its_own_is_described if {
	lib.names({fixtures.effect("delegate", "agent", "", "unknown")}) == "some agent"
	lib.names({fixtures.effect("read", "path", ".", "workspace")}) == "."
	here := object.union(fixtures.effect("read", "path", ".", "workspace"), {"target": {"real": "/srv/app"}})
	lib.names({here}) == "/srv/app"
}

test_read_only if {
	lib.read_only with input as fixtures.reading
	not lib.read_only with input as fixtures.editing
}

test_nothing_is_not_read_only if {
	not lib.read_only with input as fixtures.shell([])
	not lib.read_only with input as fixtures.but(fixtures.mcp("x", "frob", [], {}), {"facts": {"commands": echo}})
}

echo := [{"program": "echo", "args": ["hi"], "wrappers": []}]

test_a_command_that_does_nothing_is_read_only if {
	lib.read_only with input as fixtures.but(fixtures.shell([]), {"facts": {"commands": echo}})
	not lib.read_only with input as fixtures.but(fixtures.shell([]), {"facts": {"commands": echo, "opaque": [{"kind": "eval"}]}})
}

test_opaque_is_not_read_only if {
	not lib.read_only with input as fixtures.but(fixtures.reading, {"facts": {"opaque": [{"kind": "eval"}]}})
}

test_edits_only if {
	lib.edits_only with input as fixtures.editing
}

test_no_edit if {
	not lib.edits_only with input as fixtures.call("Edit", "file", [])
	not lib.edits_only with input as fixtures.but(fixtures.editing, {"call": {"kind": "shell"}})
	not lib.edits_only with input as fixtures.but(fixtures.editing, {"facts": {"opaque": [{"kind": "variable-path"}]}})
	not lib.edits_only with input as fixtures.call("Edit", "file", [fixtures.effect("write", "path", "/etc/x", "system")])
	not lib.edits_only with input as fixtures.call("Edit", "file", [fixtures.effect("write", "package", "x", "workspace")])
	not lib.edits_only with input as fixtures.call("Edit", "file", [fixtures.effect("delete", "path", "a", "workspace")])
}
