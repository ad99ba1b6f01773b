"""Which built-in functions a portable policy may call, and why not the others.

`PORTABLE` are those whose answers were compared with OPA's over generated arguments (the tests do
it again) or are overridden with OPA's semantics; name -> number of arguments. The rest is refused,
with the reason in `REFUSED` where there is more to say than "not in the embedded engine".
"""

from __future__ import annotations

_ONE = (
    "abs array.reverse base64.decode base64.encode base64.is_valid base64url.encode base64url.encode_no_pad count "
    "crypto.md5 crypto.sha1 crypto.sha256 glob.quote_meta hex.decode hex.encode intersection is_array is_boolean "
    "is_null is_number is_object is_set is_string json.is_valid json.unmarshal lower max min net.cidr_is_valid "
    "object.keys object.union_n round sort strings.reverse sum time.clock time.date "
    "time.parse_duration_ns time.parse_rfc3339_ns time.weekday to_number trim_space type_name union upper"
)
_TWO = (
    "array.concat concat contains crypto.hmac.equal crypto.hmac.md5 crypto.hmac.sha1 crypto.hmac.sha256 "
    "crypto.hmac.sha512 endswith format_int graph.reachable indexof json.patch net.cidr_contains numbers.range "
    "object.filter object.remove object.subset object.union regex.match "
    "semver.compare split sprintf startswith strings.any_prefix_match strings.any_suffix_match strings.replace_n "
    "time.diff time.parse_ns trim trim_left trim_prefix trim_right trim_suffix"
)
_THREE = "array.slice glob.match object.get regex.find_n regex.replace replace substring"

PORTABLE: dict[str, int] = {
    **dict.fromkeys(_ONE.split(), 1),
    **dict.fromkeys(_TWO.split(), 2),
    **dict.fromkeys(_THREE.split(), 3),
    "regex.find_all_string_submatch_n": 3,
    "walk": 1,
}

_INPUT = "the answer would depend on more than the input: the same call could be decided differently"
REFUSED: dict[str, str] = {
    "http.send": f"{_INPUT}; in the embedded engine it is silently undefined",
    "net.lookup_ip_addr": _INPUT,
    "opa.runtime": _INPUT,
    "rand.intn": _INPUT,
    "time.now_ns": f"{_INPUT}; the time of the call is input.context.time",
    "uuid.rfc4122": _INPUT,
    "print": "it writes to the standard error of the host; debug with opa eval",
    "trace": "it writes to the standard error of the host; debug with opa eval",
    "ceil": "the engines round negative fractions differently; use round",
    "floor": "the engines round negative fractions differently; use round",
    "json.filter": "the engines differ on empty paths; use object.filter",
    "json.remove": "the engines differ on empty paths; use object.remove",
    "json.marshal": 'the engines escape "&", "<" and ">" differently; use sprintf("%v", [x])',
    "regex.is_valid": "the engines accept different patterns",
    "regex.split": "the engines differ on the empty pattern; use split",
    "regex.template_match": "the engines take different delimiters",
    "strings.count": "the embedded engine fails on the empty string; use count(split(…)) - 1",
    "indexof_n": "the engines differ on the empty string; use indexof",
    "units.parse": "the engines accept different units",
    "units.parse_bytes": "the engines round differently",
    "semver.is_valid": "the embedded engine fails on what is no string; use regex.match",
    "time.add_date": "the engines differ in range",
    "time.format": "the engines print fractions differently",
}
