"""Whether a backup is whole: every byte of it is read."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from rung.backup._manifest import Manifest, read_manifest
from rung.backup._report import Report
from rung.errors import IntegrityError

if TYPE_CHECKING:
    from rung.objects import Objects


def check(place: Objects, report: Report | None = None) -> Manifest:
    """Read everything that the last backup names, and compare digests.

    Raises:
        NotFoundError: There is no backup.
        IntegrityError: Something is missing or damaged; the first of these is named.
        WorkspaceError: A newer Rung made it.
    """
    began, report = time.monotonic(), report or Report()
    manifest = read_manifest(place)
    files = {file.digest: file for file in manifest.files}
    report.files, report.bytes = len(files), manifest.size
    for file in files.values():
        digest = place.digest(file.key)
        if digest is None:
            report.missing.append(f"{file.path} is missing ({place.url}/{file.key})")
        elif digest != file.digest:
            report.missing.append(f"{file.path} is damaged ({place.url}/{file.key})")
        report.one_done()
    report.seconds = time.monotonic() - began
    if report.missing:
        raise IntegrityError(
            f"{len(report.missing):,} of {len(files):,} files cannot be restored: {'; '.join(report.missing[:3])}",
            hint="make another backup, and look at the disk",
        )
    return manifest
