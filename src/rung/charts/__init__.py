"""Charts as values, drawn as a picture or in a terminal. Pure; without a library for charts, which would weigh 30 MB.

`figure` holds what a chart is, `svg` draws it as a file that needs nothing beside it, `blocks` in the characters of a
terminal, with bars and gauges.
"""
