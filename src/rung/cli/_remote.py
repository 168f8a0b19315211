"""A control plane elsewhere: `--control URL`, and the token that is shown to it."""

from __future__ import annotations

import ipaddress
import os
import time
from pathlib import Path
from urllib.parse import urlsplit

import click
from click.core import ParameterSource

from rung.errors import CallError, NotAuthenticatedError

_SOON_S = 60.0  # a login that is over by then is renewed first
ASKING = frozenset(
    {
        *(
            "ab",
            "alerts",
            "approve",
            "audit",
            "check",
            "consumer",
            "contract",
            "cost",
            "dashboard",
            "deploy",
            "doc fill",
        ),
        *("doc new", "doc show", "down", "gateway", "history", "lineage", "login", "logs", "metrics", "monitor"),
        *("notebook schedule", "offpolicy", "promote", "queue", "reject", "retrain", "revive", "rollback", "runs"),
        *("shadow", "simulate-ab", "spec", "status", "teardown", "token", "why"),
    }
)
"""Commands that ask the control plane that `--control` names; all others work in the workspace alone."""


def hold(context: click.Context, verb: str, words: list[str]) -> None:
    """Refuse a command that would not ask the control plane that was named; of the variable it is told.

    Args:
        context: Of the root command.
        verb: What was called.
        words: What follows it.

    Raises:
        CallError: `--control` was given, and the command asks no control plane elsewhere.
    """
    told = f"{verb} {words[0]}" if words and not words[0].startswith("-") else verb
    is_help = not {"-h", "--help"}.isdisjoint(words)
    if {verb, told} & ASKING or is_help or context.resilient_parsing:
        return
    if context.get_parameter_source("control") is ParameterSource.COMMANDLINE:
        raise CallError(
            f"`rung {verb}` works in a workspace, and asks no control plane elsewhere",
            hint="leave --control away, and call it where the workspace is",
        )
    if verb != "completion":
        click.echo(f"`rung {verb}` works in this workspace: RUNG_CONTROL does not count for it", err=True)


def chosen() -> str | None:
    """Give the URL that the command was told; None for the workspace's own control plane.

    Raises:
        CallError: As `checked`.
    """
    context = click.get_current_context(silent=True)
    url: str | None = None if context is None else context.find_root().params.get("control")
    return checked(url) if url else None


def checked(url: str) -> str:
    """Hold a URL of a control plane against what is safe.

    Raises:
        CallError: It is no URL, or the token would travel in the clear.
    """
    parts = urlsplit(url)
    if parts.scheme not in {"https", "http"} or not parts.hostname:
        raise CallError(f"{url!r} is no URL of a control plane", hint="write https://HOST:4700")
    if parts.scheme == "http" and not _is_loopback(parts.hostname):
        raise CallError(f"{url} has no TLS, and the token would travel in the clear", hint="write https://...")
    return url.rstrip("/")


def token_for(url: str) -> str:
    """Give the token for a control plane: of the environment, of a file that it names, or of `rung login`.

    Raises:
        NotAuthenticatedError: There is none, or the login is over.
        CallError: The file cannot be read, or what is there cannot be a token.
        UnavailableError: The login provider does not answer.
    """
    if token := os.environ.get("RUNG_TOKEN"):
        return _spelled(token, "RUNG_TOKEN")
    if path := os.environ.get("RUNG_TOKEN_FILE"):
        try:
            return _spelled(Path(path).read_text(encoding="utf-8"), "RUNG_TOKEN_FILE")
        except (OSError, UnicodeDecodeError) as error:
            raise CallError(f"RUNG_TOKEN_FILE cannot be read ({error})", hint="name a file with the token") from error
    return _logged_in(url)


def _spelled(token: str, variable: str) -> str:
    found = token.strip()
    if not found or not found.isascii() or not found.isprintable() or " " in found:
        raise CallError(f"what {variable} gives is no token", hint="it is one word, as `rung token create` shows it")
    return found


def _logged_in(url: str) -> str:
    from rung.access import keep_session, read_session, renewed

    session = read_session(url)
    if session is not None and session.expires - time.time() < _SOON_S:
        session = renewed(session)
        if session is not None:
            keep_session(url, session)
    if session is None:
        raise NotAuthenticatedError(f"there is no token for {url}", hint=f"`rung login {url}`, or set RUNG_TOKEN")
    return session.token


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
