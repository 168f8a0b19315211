from __future__ import annotations

import pytest

from rung.errors import WorkspaceError
from rung.objects import table_options
from rung.objects._connection import read_connection


def test_nothing_set_is_the_public_service():
    connection = read_connection({})
    assert (connection.endpoint, connection.region, connection.allow_http) == (None, "us-east-1", False)
    assert "aws_endpoint_url" not in table_options({})


@pytest.mark.parametrize("host", ["127.0.0.1:9000", "localhost:9000", "[::1]:9000"])
def test_loopback_needs_no_encryption(host: str):
    assert read_connection({"AWS_ENDPOINT_URL": f"http://{host}"}).allow_http


def test_the_network_needs_encryption():
    with pytest.raises(WorkspaceError, match=r"store\.lan would be asked without encryption"):
        read_connection({"AWS_ENDPOINT_URL": "http://user:secret@store.lan:9000"})
    with pytest.raises(WorkspaceError, match="without encryption"):
        read_connection({"AWS_ENDPOINT_URL": "http://store.lan", "AWS_ALLOW_HTTP": "false"})
    assert read_connection({"AWS_ENDPOINT_URL": "http://store.lan", "AWS_ALLOW_HTTP": "true"}).allow_http
    assert not read_connection({"AWS_ENDPOINT_URL": "https://store.lan"}).allow_http


def test_endpoint_for_s3_goes_first():
    given = {"AWS_ENDPOINT_URL": "https://all.lan", "AWS_ENDPOINT_URL_S3": "https://s3.lan", "AWS_REGION": "eu-1"}
    assert table_options(given)["aws_endpoint_url"] == "https://s3.lan"
    assert table_options(given)["aws_region"] == "eu-1"


@pytest.mark.parametrize("given", [{"AWS_S3_ALLOW_UNSAFE_RENAME": "true"}, {"AWS_CONDITIONAL_PUT": "disabled"}])
def test_unsafe_writes_are_refused(given: dict[str, str]):
    with pytest.raises(WorkspaceError, match=next(iter(given))):
        read_connection(given)


def test_credentials_are_not_copied():
    given = {"AWS_ACCESS_KEY_ID": "anna", "AWS_SECRET_ACCESS_KEY": "hidden", "AWS_SESSION_TOKEN": "hidden too"}
    assert not {"anna", "hidden", "hidden too"} & set(table_options(given).values())
    assert "hidden" not in repr(read_connection(given))
