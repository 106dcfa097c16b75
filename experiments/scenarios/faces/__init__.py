"""Faces in pictures: where they are, and how far their landmarks moved on the way."""
