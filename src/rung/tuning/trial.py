"""One trial, as a process of its own: `python -m rung.tuning.trial ORDER.json`, in the workspace.

It trains as `rung train` does, into the run that the order names. What comes of it is in the run's record.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from rung.errors import RungError
from rung.testing import import_part
from rung.training import Trial
from rung.workspace import find

__all__ = ["main"]


def main(order: Path) -> int:
    """Train; the exit code is that of the error, where there is one."""
    told = json.loads(order.read_text(encoding="utf-8"))
    trial = Trial(name=told["name"], goal=told["goal"], limits={int(step): at for step, at in told["limits"]})
    os.environ["RUNG_RUN"] = told["run"]
    try:
        workspace = find(Path.cwd())
        sys.path.insert(0, str(workspace.root))
        module = import_part(workspace.service(told["service"]), "train.main")
        module.experiment.run(settings=told["settings"], trial=trial)
    except RungError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
