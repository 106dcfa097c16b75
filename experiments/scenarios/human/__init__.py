"""Photographs for people: how far from the sent picture, against how far from a photograph."""
