"""What machine a training needs: `python -m rung.training.hardware --service housing --output FILE`.

The control plane runs it in a revision's own environment and source snapshot before the training: the declaration is
the author's Python, which the control plane itself never imports.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from rung.errors import RungError, WorkspaceError
from rung.infrastructure import Infrastructure
from rung.testing._import import import_part
from rung.workspace import Service, find, write_atomically

if TYPE_CHECKING:
    from rung.infrastructure import TrainingHardware

__all__ = ["main", "read"]


def read(service: Service) -> TrainingHardware:
    """Read the training machine of a service.

    Raises:
        WorkspaceError: `infrastructure/hardware.py` has no `infrastructure`.
    """
    found = getattr(import_part(service, "infrastructure.hardware"), "infrastructure", None)
    if not isinstance(found, Infrastructure):
        raise WorkspaceError(
            "infrastructure/hardware.py has no infrastructure", hint="write infrastructure = Infrastructure(...)"
        )
    return found.training


def main(arguments: list[str] | None = None) -> int:
    """Write what is declared as JSON."""
    parser = argparse.ArgumentParser(prog="python -m rung.training.hardware", description=__doc__)
    parser.add_argument("--service", required=True)
    parser.add_argument("--output", required=True, type=Path)
    given = parser.parse_args(arguments)
    try:
        workspace = find(Path.cwd())
        sys.path.insert(0, str(workspace.root))
        hardware = read(workspace.service(given.service))
    except RungError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    write_atomically(given.output, hardware.model_dump_json().encode())
    return 0


if __name__ == "__main__":
    sys.exit(main())
