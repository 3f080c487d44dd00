"""What is billable, and why: pure functions of facts and rules, without I/O, clock or logging."""

from domain import compiled

COMPILED: bool = compiled.use(__path__)
"""Whether the modules that `tools.compile` names are the compiled ones."""
