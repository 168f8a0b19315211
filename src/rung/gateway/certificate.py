"""The gateway's certificate: two files of the owner's, which Envoy reads through links of ours.

A renewed certificate comes in any way: copied over, renamed, a link changed. Envoy notices some of these, and may read
the new chain with the old key. So `Gateway` looks itself, and shows Envoy a new pair of links once the two files belong
together; nothing is copied, and a pair that does not fit changes nothing.
"""

from __future__ import annotations

import hashlib
import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rung.errors import GatewayError
from rung.gateway._bootstrap import CERTIFICATE

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Certificate"]

_SECRET = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret"  # noqa: S105  the name of a message


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """A certificate chain and its private key, as PEM files."""

    chain: Path
    key: Path

    def stamp(self) -> str:
        """Return what changes when one of the files does.

        Raises:
            GatewayError: One of them is not there.
        """
        digest = hashlib.sha256()
        for path in (self.chain, self.key):
            try:
                found = path.stat()
            except OSError as error:
                raise self._unusable(f"{path} cannot be read ({error.strerror})") from error
            digest.update(f"{path.resolve()} {found.st_ino} {found.st_mtime_ns} {found.st_size}\n".encode())
        return digest.hexdigest()[:16]

    def check(self) -> None:
        """Hold the key against the certificate.

        Raises:
            GatewayError: They do not belong together, or one is not PEM, not readable, or needs a password.
        """
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(self.chain, self.key, password=b"")
        except (OSError, ValueError) as error:
            reason = getattr(error, "reason", None) or error.args[-1]
            raise self._unusable(f"{self.chain} and {self.key} are no pair that TLS could use ({reason})") from error

    def linked(self, folder: Path, stamp: str) -> dict[str, Any]:
        """Return the discovery response that shows Envoy the files through links in a folder, and make the links."""
        links = {"certificate_chain": (f"tls-{stamp}.crt", self.chain), "private_key": (f"tls-{stamp}.key", self.key)}
        for name, target in links.values():
            (folder / name).unlink(missing_ok=True)
            (folder / name).symlink_to(target.resolve())
        files = {part: {"filename": str(folder / name)} for part, (name, _) in links.items()}
        return {"version_info": stamp, "resources": [{"@type": _SECRET, "name": CERTIFICATE, "tls_certificate": files}]}

    def _unusable(self, why: str) -> GatewayError:
        return GatewayError(why, hint="see `certificate` and `key` in [listen] of rung.toml; what was there goes on")
