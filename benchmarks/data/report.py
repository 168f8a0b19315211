"""What the programs about data share: how goals are told and kept, and the environment of a peer."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]


def keep(name: str, goals: list[dict[str, Any]], figures: Any) -> None:
    """Print the goals, and write build/bench/NAME.json."""
    for one in goals:
        print(f"{one['goal']:96}{one['measured']:14,.3f}{one['bar']:12,.2f}{'' if one['ok'] else '   missed'}")
    path = Path("build/bench") / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"goals": goals, "figures": figures}, indent=2) + "\n", encoding="utf-8")


def peer(name: str) -> Path:
    """Make a peer's environment from its pins, or find it; give its Python."""
    folder, pins = ROOT / "build" / "bench" / name, HERE / "peers" / f"{name}.txt"
    stamp = folder / "pins.txt"
    if not stamp.is_file() or stamp.read_bytes() != pins.read_bytes():
        uv = str(Path(sys.executable).with_name("uv"))
        shutil.rmtree(folder, ignore_errors=True)
        subprocess.run([uv, "venv", "--quiet", "--python", "3.11", str(folder)], check=True)
        install = [uv, "pip", "install", "--quiet", "--require-hashes", "--python", str(folder / "bin" / "python")]
        subprocess.run([*install, "-r", str(pins)], check=True)
        stamp.write_bytes(pins.read_bytes())
    return folder / "bin" / "python"
