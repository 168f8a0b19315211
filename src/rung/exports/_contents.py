"""What every export of a revision holds that shall predict elsewhere: Rung itself, artifacts, bundles, packages."""

from __future__ import annotations

import hashlib
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote

from rung.artifacts import LocalStore
from rung.control.deployment.trust import PROVENANCE, Trust
from rung.conversion import artifact_name
from rung.errors import IntegrityError, NotFoundError
from rung.schema import RevisionName
from rung.serving import read_bundle

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rung.exports._export import Export

_OWN_WHEEL: Final = re.compile(r"^rung @ file://(?P<path>\S+) --hash=(?P<digest>sha256:[0-9a-f]{64})$", re.MULTILINE)


def own_wheel(export: Export) -> tuple[Path, str]:
    """Give the wheel of Rung that the revision's environment has, and its digest.

    Raises:
        NotFoundError: It is gone.
        IntegrityError: It is another one.
    """
    environment = export.environment()
    found = _OWN_WHEEL.search((environment.folder / "requirements.txt").read_text(encoding="utf-8"))
    made_with = Path(unquote(found["path"]) if found else "")  # its folder may have been elsewhere when it was made
    wheel = export.place.environments / "wheels" / made_with.parent.name / made_with.name
    if found is None or not wheel.is_file():
        raise NotFoundError(
            f"the wheel of Rung that {export.name} runs with is gone", hint="deploy the revision anew, then export that"
        )
    if f"sha256:{hashlib.sha256(wheel.read_bytes()).hexdigest()}" != found["digest"]:
        raise IntegrityError(f"{wheel} is not what the environment of {export.name} was made with")
    return wheel, found["digest"]


def put_state(export: Export, needed: Iterable[str], state: Path) -> tuple[dict[str, str], dict[str, str]]:
    """Copy bundles and artifacts as a server looks for them.

    Args:
        export: The revision.
        needed: Artifacts that its handlers take.
        state: The folder to fill.

    Returns:
        Digests of the artifacts by the names that handlers have for them, and of the bundles that were signed by
        revision.

    Raises:
        IntegrityError: Another revision whose artifact is taken is not as it was signed.
        NotFoundError: An artifact is gone.
    """
    held: dict[str, str] = {}
    signed: dict[str, str] = {}
    owners = {str(export.name)} | {owner for name in needed if (owner := name.rpartition(".")[0])}
    for owner in sorted(owners):
        verified = Trust.of(export.place).check(RevisionName.parse(owner), contents=True)
        if verified.signed_by is not None:
            signed[owner] = verified.bundle
        for file in ("bundle.json", PROVENANCE):
            path = export.place.revision(RevisionName.parse(owner)) / file
            if path.is_file():
                (state / "revisions" / owner).mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, state / "revisions" / owner / file)
    store, target = LocalStore(export.place.workspace.artifacts), LocalStore(state / "artifacts")
    for name in needed:
        owner, _, task = name.rpartition(".")
        kept = read_bundle(export.place.workspace.state, owner or str(export.name)).artifacts
        held[name] = kept[task]
        converted = artifact_name(task)
        if not owner and converted in kept:
            held[converted] = kept[converted]
    for digest in held.values():
        target.put(store.get(digest))
    return held, signed
