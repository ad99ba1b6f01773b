"""Conformance suites: what every engine, store or adapter must do, as test classes to inherit from."""
