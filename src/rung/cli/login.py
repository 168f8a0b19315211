"""`rung login`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click
import httpx2

from rung._http import verify
from rung.cli import _remote
from rung.cli._terminal import json_option, print_json
from rung.errors import CallError, ControlPlaneError, NotFoundError

if TYPE_CHECKING:
    from rung.access import DeviceCode

_TIMEOUT_S = 10.0
_NOT_FOUND = 404


@click.command(epilog="Example: rung login https://rung.example.org:4700")
@click.argument("url", required=False)
@click.option("--forget", is_flag=True, help="Forget the login instead.")
@json_option
def command(url: str | None, forget: bool, as_json: bool) -> None:
    """Log in at a control plane elsewhere, through its OpenID Connect provider; by default at that of --control.

    Shows an address and a code to be confirmed in a browser, on any machine. The login is kept in a file that only you
    can read, and renewed while the provider allows it. At the machine of the workspace itself nobody logs in.
    """
    where = _remote.checked(url) if url else _remote.chosen()
    if where is None:
        raise CallError("there is no control plane named", hint="rung login https://HOST:4700, or set RUNG_CONTROL")
    if forget:
        from rung.access import forget_session

        click.echo(f"the login at {where} is forgotten" if forget_session(where) else f"there was no login at {where}")
        return
    _log_in(where, as_json=as_json)


def _log_in(url: str, *, as_json: bool) -> None:
    from rung.access import begin_login, end_login, find_provider, keep_session
    from rung.cli._control import Control

    asked = _provider_of(url)
    provider = find_provider(asked["issuer"], asked["client"])
    code = begin_login(provider)
    _show(code)
    keep_session(url, end_login(provider, code))
    me: dict[str, Any] = Control(url=url).get("/me")
    if as_json:
        print_json(me)
        return
    roles = ", ".join(f"{grant['role']} of {grant['service']}" for grant in me["grants"])
    click.echo(f"you are {me['actor']}: {roles.replace('of *', 'of all services')}")
    if _remote.chosen() != url:
        click.echo(f"set RUNG_CONTROL={url}, and commands ask it", err=True)


def _show(code: DeviceCode) -> None:
    click.echo(f"open {code.whole_url} in a browser, and confirm the code {code.code}", err=True)


def _provider_of(url: str) -> dict[str, str]:
    try:
        answer = httpx2.get(f"{url}/login", timeout=_TIMEOUT_S, verify=verify(url))
        found: dict[str, str] = answer.json()
    except (httpx2.TransportError, ValueError) as error:
        raise ControlPlaneError(
            f"the control plane at {url} does not answer ({error})",
            hint="is it up, and is its certificate trusted (SSL_CERT_FILE)?",
        ) from error
    if answer.status_code == _NOT_FOUND:
        raise NotFoundError(f"nobody can log in at {url}", hint="ask an admin for a token, and set RUNG_TOKEN")
    return found
