"""Talking heads: key frames and updates, decoded by a receiver that knows what it has already seen."""
