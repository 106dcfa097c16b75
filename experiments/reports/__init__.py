"""Run directories rendered as self-contained HTML."""
