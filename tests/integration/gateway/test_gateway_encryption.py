"""TLS at the gateway: by files that may change while it runs."""

from __future__ import annotations

import socket
import ssl
from dataclasses import replace
from typing import TYPE_CHECKING

import certificates
import httpx2
import pytest
from waiting import until

from rung.errors import GatewayError
from rung.gateway import Certificate

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from conftest import Site


@pytest.fixture
def certificate(tmp_path: Path) -> Certificate:
    made = Certificate(chain=tmp_path / "chain.pem", key=tmp_path / "key.pem")
    certificates.write(made.chain, made.key, name="first")
    return made


@pytest.fixture
def encrypted(standing_site: Site, certificate: Certificate) -> Iterator[Site]:
    """The site with an Envoy of its own, encrypted; the plain one is back for the next test."""
    plain = standing_site.gateway
    if standing_site.envoy:
        standing_site.stop_envoy()
    standing_site.gateway = replace(plain, certificate=certificate)
    standing_site.start_envoy()
    yield standing_site
    standing_site.stop_envoy()
    standing_site.gateway = plain


def shown(site: Site, version: ssl.TLSVersion | None = None) -> str:
    """Give the certificate that a consumer is shown."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    if version is not None:
        context.minimum_version = context.maximum_version = version
    with (
        socket.create_connection(("127.0.0.1", site.gateway.port), timeout=5) as plain,
        context.wrap_socket(plain) as secure,
    ):
        return ssl.DER_cert_to_PEM_cert(secure.getpeercert(binary_form=True) or b"")


def test_consumers_are_answered_encrypted(encrypted: Site, certificate: Certificate):
    context = ssl.create_default_context(cafile=str(certificate.chain))
    with httpx2.Client(base_url=f"https://127.0.0.1:{encrypted.gateway.port}", verify=context) as client:
        assert client.get("/healthz").json() == {"status": "ok"}
    assert shown(encrypted) == certificate.chain.read_text()


def test_plain_requests_are_not_answered(encrypted: Site):
    with encrypted.client() as client, pytest.raises(httpx2.HTTPError):
        client.get("/healthz")


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
def test_old_versions_are_refused(encrypted: Site):
    assert shown(encrypted, ssl.TLSVersion.TLSv1_2)
    assert shown(encrypted, ssl.TLSVersion.TLSv1_3)
    with pytest.raises(ssl.SSLError):
        shown(encrypted, ssl.TLSVersion.TLSv1_1)


def test_renewed_certificate_is_taken_at_once(encrypted: Site, certificate: Certificate):
    assert not encrypted.gateway.renew()
    for name in ("second", "third"):
        certificates.write(certificate.chain, certificate.key, name=name)
        assert encrypted.gateway.renew()
        until(lambda: shown(encrypted) == certificate.chain.read_text())
    assert len(list(encrypted.gateway.folder.glob("tls-*"))) == 4


def test_half_renewed_certificate_changes_nothing(encrypted: Site, certificate: Certificate, tmp_path: Path):
    before = certificate.chain.read_text()
    certificates.write(certificate.chain, tmp_path / "other.pem")
    with pytest.raises(GatewayError, match="no pair that TLS could use"):
        encrypted.gateway.renew()
    assert shown(encrypted) == before
    certificate.chain.unlink()
    with pytest.raises(GatewayError, match=r"chain\.pem cannot be read"):
        encrypted.gateway.renew()
    assert shown(encrypted) == before


def test_gates_go_in_unencrypted(encrypted: Site):
    encrypted.serve("m2")
    encrypted.gateway.apply(encrypted.routing("m2", incumbent="m2"))
    with httpx2.Client(base_url=encrypted.gateway.door(), verify=False) as gate:
        assert gate.post("/housing/v1/m2/predict", json={}).is_success


def test_other_settings_are_noticed(encrypted: Site):
    assert not encrypted.gateway.is_outdated()
    assert replace(encrypted.gateway, certificate=None).is_outdated()
