"""Figures with one style. Every function takes plain values and returns a matplotlib figure."""
