"""Campaigns: what a lab runs, re-runs and publishes, as plans of trials that survive whatever happens."""
