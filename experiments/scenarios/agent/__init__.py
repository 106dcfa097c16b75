"""Closed loop: a controller acts on observations that crossed the link."""
