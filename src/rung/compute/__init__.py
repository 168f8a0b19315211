"""Where processes run, and the locked environments in which revisions run.

Importing the package imports nothing else: take what you need from `rung.compute.local`, `rung.compute.jobs`,
`rung.compute.environments` (the control plane's side) and `rung.compute.installed` (cheap; a training's side).
"""
