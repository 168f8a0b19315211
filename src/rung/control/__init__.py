"""The control plane: observe, decide, apply; the use cases of every command; the REST API.

`python -m rung.control` runs it. What decides is in `lifecycle`, what is kept in `registry`; here is what acts.
"""
