"""Street video for a detector: regions that matter to it get more symbols."""
