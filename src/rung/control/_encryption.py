"""TLS of the API: required beyond loopback, and trusted at home by the very certificate."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from rung.errors import WorkspaceError
from rung.settings import LOOPBACK

if TYPE_CHECKING:
    from pathlib import Path

    from rung.settings import Listen

_ANY = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  what is listened on, and where this machine finds it


@dataclass(frozen=True, slots=True, kw_only=True)
class Encryption:
    """The certificate that the API shows."""

    chain: Path
    key: Path

    @classmethod
    def of(cls, root: Path, listen: Listen) -> Self | None:
        """Find the files of the settings, from the workspace on; None on loopback.

        Raises:
            WorkspaceError: They are not there, or do not belong together.
        """
        if listen.control in LOOPBACK:
            return None
        assert listen.certificate is not None  # noqa: S101  the settings hold it
        assert listen.key is not None  # noqa: S101  as above
        found = cls(chain=root / listen.certificate, key=root / listen.key)
        found.context()
        return found

    def context(self, *_: Any) -> ssl.SSLContext:
        """Make what uvicorn answers with: TLS 1.2 at least."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        try:
            context.load_cert_chain(self.chain, self.key)
        except (OSError, ssl.SSLError) as error:
            raise WorkspaceError(
                f"listen.certificate {self.chain} and listen.key {self.key} cannot be used ({error})",
                hint="both are PEM files, the key without a password",
            ) from error
        return context


def address_of(host: str, port: int, *, is_encrypted: bool) -> str:
    """Give the URL by which this machine reaches what listens on a host.

    >>> address_of("0.0.0.0", 4700, is_encrypted=True), address_of("::1", 4700, is_encrypted=False)
    ('https://127.0.0.1:4700', 'http://[::1]:4700')
    """
    near = _ANY.get(host, host)
    name = f"[{near}]" if ":" in near else near
    return f"{'https' if is_encrypted else 'http'}://{name}:{port}"


def trust_exactly(certificate: Path) -> ssl.SSLContext:
    """Make what a client on this machine trusts: the first certificate of a file, by whatever name it is reached."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.check_hostname = False
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    begin, end = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"
    first = certificate.read_text().partition(begin)[2].partition(end)[0]
    context.load_verify_locations(cadata=f"{begin}{first}{end}\n")
    return context
