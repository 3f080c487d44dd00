"""The front door: commands, settings and composition. Nothing imports it."""
