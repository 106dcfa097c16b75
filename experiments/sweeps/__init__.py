"""Sweeps: pictures over every combination of settings."""
