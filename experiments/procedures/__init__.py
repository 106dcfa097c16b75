"""Procedures that a person starts: each takes frozen settings and returns frozen results."""
