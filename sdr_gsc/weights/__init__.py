"""Shipped models, each a safetensors file with a card."""
