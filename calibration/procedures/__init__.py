"""What is measured, one procedure per file; `catalogue` lists them in the order in which they build on each other."""
