"""Pictures for machines: whether the receiver names what was sent, and what bandwidth that takes."""
