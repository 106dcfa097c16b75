"""The same work done by other people's programs, which are fetched, built and driven here."""
