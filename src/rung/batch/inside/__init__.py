"""Programs that run inside the environment of a revision: `_crew` copies them to where that is."""
