"""The build context of a revision's image: everything that the image holds, and how it is put together."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rung.compute.packages import read_packages
from rung.compute.threads import thread_limits
from rung.control.servers import server_arguments, server_threads
from rung.exports._application import read_application
from rung.exports._contents import own_wheel, put_state
from rung.exports._dockerfile import PORT, ROOT, Image, dockerfile
from rung.exports._folder import new_folder
from rung.infrastructure import Infrastructure

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from rung.exports._export import Export

_IGNORED = "**/__pycache__\n**/*.pyc\nREADME.md\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Container:
    """What a build context was made of."""

    folder: Path
    artifacts: Mapping[str, str]
    """Digests, by the name that handlers have for them; converted models, too."""
    packages: tuple[str, ...]
    """Debian packages."""


def write_container(export: Export, output: Path) -> Container:
    """Write the build context of a revision's image.

    It holds what the handlers take and no other artifact: of what training read, nothing but what the snapshot has.

    Args:
        export: The revision.
        output: A folder that is not there yet, or empty.

    Raises:
        ConflictError: The folder is there, and not empty.
        CallError: It cannot be written.
        IntegrityError: Another revision whose artifact is taken is not as it was signed, or Rung's own wheel is not.
        NotFoundError: Rung's own wheel, or an artifact, is gone.
        TaskError: The application cannot be imported.
    """
    needed = read_application(export).artifacts
    with new_folder(output) as folder:
        source = folder / "source"
        shutil.copytree(
            export.place.source(export.name), source, symlinks=True, ignore=shutil.ignore_patterns("__pycache__")
        )
        packages = read_packages(source / "experiments" / export.name.service / "infrastructure" / "packages.txt")
        if packages:
            (folder / "packages.txt").write_text("".join(f"{line}\n" for line in packages), encoding="utf-8")
        (folder / "requirements.txt").write_text(export.lock().text + _put_wheel(export, folder), encoding="utf-8")
        held, signed = put_state(export, needed, folder / "state")
        (folder / "Dockerfile").write_text(dockerfile(_image(export, packages, signed)), encoding="utf-8")
        (folder / ".dockerignore").write_text(_IGNORED, encoding="utf-8")
        (folder / "README.md").write_text(_readme(export, held), encoding="utf-8")
    return Container(folder=output, artifacts=held, packages=packages)


def _put_wheel(export: Export, folder: Path) -> str:
    """Copy the wheel of Rung that the revision's environment has; give its line of the requirements."""
    wheel, digest = own_wheel(export)
    (folder / "wheels").mkdir()
    shutil.copyfile(wheel, folder / "wheels" / wheel.name)
    return f"\n./wheels/{wheel.name} --hash={digest}\n"


def _image(export: Export, packages: tuple[str, ...], signed: Mapping[str, str]) -> Image:
    serving = Infrastructure.model_validate(export.bundle.infrastructure).serving
    return Image(
        python=export.lock().python,
        labels=_labels(export),
        variables={
            **thread_limits(server_threads(serving)),
            "PROMETHEUS_MULTIPROC_DIR": "/tmp/rung-metrics",  # noqa: S108  in an image of its own
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONPATH": f"{ROOT}/source",
            "PYTHONUNBUFFERED": "1",
            "RUNG_BUNDLES": json.dumps(signed),
            "RUNG_REVISION": str(export.name),
            "RUNG_STATE": f"{ROOT}/state",
            "RUNG_UNIT_HEADER": export.bundle.unit_header,
        },
        arguments=server_arguments(export.name, serving, bind=f"0.0.0.0:{PORT}"),
        has_packages=bool(packages),
    )


def _labels(export: Export) -> dict[str, str]:
    """Say where the image comes from, as OCI's image specification names it, and what was signed."""
    told = {
        "org.opencontainers.image.title": export.name.service,
        "org.opencontainers.image.version": f"v{export.name.major}.m{export.name.minor}",
        "org.opencontainers.image.revision": export.revision.commit,
        "org.opencontainers.image.created": export.run.get("ended"),
        "rung.revision": str(export.name),
        "rung.run": export.revision.run,
        "rung.bundle": export.verified.bundle,
        "rung.lock": export.lock().digest,
        "rung.signed-by": export.verified.signed_by,
    }
    return {name: str(value) for name, value in told.items() if value}


def _readme(export: Export, held: Mapping[str, str]) -> str:
    rows = "".join(f"| `{name}` | `{digest}` |\n" for name, digest in sorted(held.items()))
    return _README.format(name=export.name, tag=str(export.name).replace(".", "-"), port=PORT, rows=rows)


_README = """\
# {name}

Made by `rung export {name} --to container`.

```sh
docker build --build-arg BASE=python@sha256:... --tag {tag} .
docker run --read-only --tmpfs /tmp --publish 127.0.0.1:{port}:{port} {tag}
```

It answers its routes, `/docs`, `/openapi.json`, `/livez`, `/readyz` and `/metrics` on port {port}, without keys or TLS:
put a gateway before it. Predictions are logged where `RUNG_LOG` names a folder that user 10001 may write; features come
from the store that `RUNG_ONLINE_STORE` names.

| artifact | digest |
|---|---|
{rows}"""
