"""Scenarios: what semantic communication is for, each with its data, task metric, baseline and figure."""
