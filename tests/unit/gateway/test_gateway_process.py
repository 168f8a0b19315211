from __future__ import annotations

from pathlib import Path

from rung.gateway._process import arguments, can_hand_over

SHORT = Path("/run/rung/gateway")


def told(folder: Path, epoch: int = 0) -> dict[str, str]:
    words = arguments(folder, threads=2, epoch=epoch, drain_s=60.0)
    return {word: words[number + 1] for number, word in enumerate(words[:-1]) if word.startswith("--")}


def test_successor_has_the_same_base_and_the_next_number():
    first, second = told(SHORT), told(SHORT, epoch=1)
    assert first["--base-id"] == second["--base-id"]
    assert (first["--restart-epoch"], second["--restart-epoch"]) == ("0", "1")
    assert told(Path("/run/other/gateway"))["--base-id"] != first["--base-id"]


def test_folder_too_long_for_its_sockets_is_started_without():
    folder = Path("/run") / ("x" * 90)
    assert not can_hand_over(folder)
    assert "--disable-hot-restart" in arguments(folder, threads=2, epoch=0, drain_s=1.0)
