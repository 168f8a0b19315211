"""Programs that run inside the environment of a revision, with no Rung but its own: they are copied there."""
