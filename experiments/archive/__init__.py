"""Runs in the formats of other tools, and beside each other."""
