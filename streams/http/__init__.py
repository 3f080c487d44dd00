"""Events in, lines, explanations and decisions out, over HTTP (docs/contract.md §6)."""
