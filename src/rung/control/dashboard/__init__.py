"""The dashboard: pages over the control plane's read side, and its use cases as forms.

`_app` serves them below `/ui`, behind a door of its own (`_entrance`) that asks the API's guard. Each page is a module
of `pages` that reads and gives a value, and a template that shows it: no rules and no SQL are here. What takes long is
made beside the requests and kept (`_stored`). Nothing is loaded from elsewhere, and nothing is built: templates, one
stylesheet and one script, which only adds to what works without it.
"""
