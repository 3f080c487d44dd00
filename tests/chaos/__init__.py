"""Rounds of trouble under load, after each of which everything is accounted for."""
