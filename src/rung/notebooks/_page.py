"""A notebook as a page that loads nothing from elsewhere and runs no script: it can be shared, mailed, kept.

nbconvert renders the cells; style and head are ours, since its own templates fetch MathJax and more from a CDN.
"""

from __future__ import annotations

import html
from typing import TYPE_CHECKING, Any, Final

from rung.errors import WorkspaceError
from rung.notebooks._unloading import without_loads

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["to_html"]

_POLICY: Final = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; font-src data:; form-action 'none'"
_STYLE: Final = """
:root { color-scheme: light dark; --ink: #1b1f24; --paper: #fff; --faint: #f4f5f7; --line: #d6dae0; --bad: #b42318 }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6e8eb; --paper: #15181c; --faint: #1e2329; --line: #3a414a; --bad: #ff8a7a }
}
body { margin: 0 auto; max-width: 60rem; padding: 1rem; background: var(--paper); color: var(--ink);
  font: 1rem/1.5 system-ui, sans-serif }
header { border-bottom: 1px solid var(--line); margin-bottom: 1rem } h1 { font-size: 1.4rem; margin: 0 }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .1rem 1rem; margin: .5rem 0 } dd { margin: 0 }
pre { margin: 0; overflow-x: auto; font: .875rem/1.45 ui-monospace, monospace; white-space: pre-wrap }
.cell { margin: .75rem 0 } .input_area { background: var(--faint); border-radius: 4px; padding: .5rem }
.output_subarea { padding: .25rem .5rem; overflow-x: auto } .prompt, .anchor-link { display: none }
.highlight { background: none !important }
.failed { color: var(--bad); font-weight: 600 } img { max-width: 100%; height: auto }
table { border-collapse: collapse } td, th { border: 1px solid var(--line); padding: .15rem .5rem; text-align: right }
"""


def to_html(notebook: bytes, record: Mapping[str, Any]) -> str:
    """Render an executed notebook.

    Args:
        notebook: The `.ipynb` file.
        record: Of its run.

    Raises:
        WorkspaceError: nbconvert is not installed.
    """
    title = f"{record['source']} {record['id']}"
    return (
        f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{html.escape(title)}</title>\n<style>{_STYLE}{_colours()}</style>\n</head>\n<body>\n"
        f"{_head(record)}\n<main>\n{_body(notebook)}\n</main>\n</body>\n</html>\n"
    )


def _head(record: Mapping[str, Any]) -> str:
    facts = {
        "run": record["id"],
        "status": record["status"],
        "started": f"{record['started']}, by {record['user']}",
        "took": f"{record['seconds']:.2f} s",
        "commit": f"{record['commit'] or 'none'}{' and changes' if record['dirty'] else ''}",
        **{f"parameter {name}": repr(value) for name, value in record["hyperparameters"].items()},
        **{name: f"{value:.6g}" for name, value in record["metrics"].items()},
        "read": ", ".join(read["path"] for task in record["tasks"] for read in task["data"]),
        "error": record["error"],
    }
    told = "".join(
        f"<dt>{html.escape(name)}</dt><dd{' class=failed' if name == 'error' else ''}>{html.escape(str(fact))}</dd>"
        for name, fact in facts.items()
        if fact
    )
    return f"<header><h1>{html.escape(str(record['source']))}</h1><dl>{told}</dl></header>"


def _body(notebook: bytes) -> str:
    """Let nbconvert render the cells, and leave out scripts and whatever would load something."""
    try:
        import nbformat  # noqa: PLC0415  optional: the extra `notebook`
        from nbconvert import HTMLExporter  # noqa: PLC0415  as above
    except ImportError as error:
        raise WorkspaceError(f"{error.name} is not installed", hint="pip install 'rung[notebook]'") from error
    exporter = HTMLExporter(template_name="basic")  # its own sanitizer knows no tables
    body, _ = exporter.from_notebook_node(nbformat.reads(notebook.decode(), as_version=4))
    return without_loads(body)


def _colours() -> str:
    """Give the colours of code, for light and dark."""
    from pygments.formatters import HtmlFormatter  # noqa: PLC0415  nbconvert brings it

    light, dark = (HtmlFormatter(style=style).get_style_defs(".highlight") for style in ("default", "github-dark"))
    return f"{light}\n@media (prefers-color-scheme: dark) {{ {dark} }}\n"
