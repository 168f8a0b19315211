"""`rung spec`."""

from __future__ import annotations

from typing import Any

import click

from rung.cli import _practice, _remote
from rung.cli._control import Control
from rung.cli._terminal import json_option, print_json, state, table, time_of_day
from rung.cli.promote import REJECTED
from rung.errors import NotFoundError
from rung.workspace import find


@click.group(epilog="Example: rung spec sign housing --as product --because 'we promise this'")
def command() -> None:
    """Show, check and sign the specification of a service; list its versions and compare them."""


@command.command("show", epilog="Example: rung spec show housing")
@click.argument("service")
@json_option
def show(service: str, as_json: bool) -> None:
    """Show what a service promises, to whom, and who stands behind it."""
    shown = _specification(service)
    if as_json:
        print_json(shown)
        return
    from rung.schema import parse_specification

    found = parse_specification(shown["text"])
    click.echo(f"{click.style(found.title, bold=True)}  {_short(shown['digest'])}")
    click.echo(
        f"  latency_p99_ms {found.latency_p99_ms:g}, throughput_rps {found.throughput_rps:g}, "
        f"error_rate {found.error_rate:g}"
    )
    for one in found.consumers:
        rate = "" if one.requests_per_s is None else f", {one.requests_per_s:g} requests a second"
        click.echo(f"  consumer {one.name}: needs {', '.join(one.needs) or 'nothing that is told'}{rate}")
    for case in found.edge_cases:
        click.echo(f"  edge case {case.name}: {case.test}")
    for need in found.accuracy:
        click.echo(f"  accuracy {need}")
    click.echo(f"  owners: product {found.owners.product}, engineering {found.owners.engineering}")
    _print_signatures(shown["signatures"], shown["sign_off"])


@command.command("check", epilog="Example: rung spec check housing")
@click.argument("service")
@json_option
def check(service: str, as_json: bool) -> None:
    """Answer the seven questions: which test or figure bears each of them out, and what is left to do.

    The schema is read from the service here, or where it is not, from its newest revision; figures come from the newest
    load test and training. Exit status 1 when a question is open, or refuted.
    """
    found = _answers(service)
    if as_json:
        print_json(found)
    else:
        for one in found:
            click.echo(f"{state(one['standing']):<8} {one['number']} {one['question']}")
            click.echo(f"           {one['because']}")
            if one["by"]:
                click.echo(f"           by {', '.join(one['by'])}")
            if one["next"]:
                click.echo(f"           next: {one['next']}")
    if any(one["standing"] in ("open", "refuted") for one in found):
        raise SystemExit(REJECTED)


@command.command("sign", epilog="Example: rung spec sign housing --as product --because 'we promise this'")
@click.argument("service")
@click.option("--as", "owner", type=click.Choice(["product", "engineering"]), required=True, help="Which owner signs.")
@click.option("--because", default="", help="What there is to say about it.")
@click.option("--digest", help="A version that is kept, in place of what lies in the workspace.")
@json_option
def sign(service: str, owner: str, because: str, digest: str | None, as_json: bool) -> None:
    """Sign the specification that lies in the workspace, as one of its two owners.

    A signature is of exactly these words: a change makes it stale. Elsewhere (--control) the newest version that the
    platform keeps is signed, unless --digest names another one.
    """
    order: dict[str, Any] = {"owner": owner, "because": because}
    order |= {"digest": digest} if digest else _what_is_signed(service)
    signed = Control().post(f"/services/{service}/specification/signatures", order)
    if as_json:
        print_json(signed)
    else:
        _print_signatures(signed)


@command.command("history", epilog="Example: rung spec history housing")
@click.argument("service")
@json_option
def history(service: str, as_json: bool) -> None:
    """List the versions of a specification: who signed them, and which revisions were deployed with them."""
    shown = _specification(service)
    if as_json:
        print_json({"versions": shown["versions"], "signed": shown["signed"]})
        return
    rows = []
    for one in shown["versions"]:
        signed = [f"{by['owner']} by {by['actor']}" for by in shown["signed"] if by["digest"] == one["digest"]]
        now = " (now)" if one["digest"] == shown["digest"] else ""
        told = [time_of_day(one["time"]), one["actor"], ", ".join(signed) or "nobody", ", ".join(one["revisions"])]
        rows.append([_short(one["digest"]) + now, *told])
    if rows:
        table(rows, ["VERSION", "KEPT (UTC)", "BY", "SIGNED FOR", "REVISIONS"])
    if all(one["digest"] != shown["digest"] for one in shown["versions"]):
        click.echo(f"{_short(shown['digest'])} lies in the workspace, and was neither signed nor deployed yet")


@command.command("diff", epilog="Example: rung spec diff housing 1a2b3c4d")
@click.argument("service")
@click.argument("old", required=False)
@click.argument("new", required=False)
@json_option
def diff(service: str, old: str | None, new: str | None, as_json: bool) -> None:
    """Show what changed from one version to another: by default since the newest that is kept, to the workspace."""
    from rung.practice import changed_parts

    shown = _specification(service)
    kept = [one["digest"] for one in shown["versions"] if one["digest"] != shown["digest"]]
    if old is None and not kept:
        raise NotFoundError(f"no other version of {service} is kept", hint=f"`rung spec history {service}` names them")
    before = _version(service, old or kept[-1])
    after = {"digest": shown["digest"], "text": shown["text"]} if new is None else _version(service, new)
    parts = changed_parts(before["text"], after["text"])
    if as_json:
        print_json({"old": before["digest"], "new": after["digest"], "changed": list(parts)})
        return
    click.echo(f"{_short(before['digest'])} -> {_short(after['digest'])}: {', '.join(parts) or 'nothing changed'}")
    _print_diff(before["text"], after["text"])


def _specification(service: str) -> dict[str, Any]:
    """Ask the platform, or where none runs read it here; the text is that of this workspace, where it lies here."""
    if _practice.is_stopped():
        with _practice.here() as practice:
            return practice.specification(service)
    found: dict[str, Any] = Control().get(f"/services/{service}/specification")
    return found


def _version(service: str, digest: str) -> dict[str, Any]:
    if _practice.is_stopped():
        with _practice.here() as practice:
            kept = practice.specifications.version(service, digest)
            return {"digest": kept.digest, "text": kept.text}
    found: dict[str, Any] = Control().get(f"/services/{service}/specification/{digest.removeprefix('sha256:')}")
    return found


def _answers(service: str) -> list[dict[str, Any]]:
    """Answer the questions from what lies here; what lies elsewhere is asked for."""
    if _remote.chosen() is not None or service not in find().services():
        found: list[dict[str, Any]] = _specification(service)["questions"]
        return found
    from rung.checks import answer_questions

    return [one.to_json() for one in answer_questions(find(), service)]


def _what_is_signed(service: str) -> dict[str, str]:
    """Give the text in this workspace; for a control plane elsewhere, the newest version that it keeps."""
    if _remote.chosen() is None:
        path = find().service(service).specification
        if not path.is_file():
            raise NotFoundError(f"{service} has no specification", hint=f"write {path}")
        return {"text": path.read_text(encoding="utf-8")}
    shown = _specification(service)
    return {"text": shown["text"]}


def _print_signatures(found: dict[str, Any], sign_off: str | None = None) -> None:
    mark = state("pass") if found["complete"] else state("inconclusive" if sign_off != "required" else "fail")
    click.echo(f"{mark}  {found['because']}")
    for one in found["stale"]:
        if one["changed"]:
            click.echo(f"  since {one['actor']} signed for {one['owner']}: {', '.join(one['changed'])}")
    if found["next"]:
        rule = {"required": "a promotion waits for it", "noted": "a promotion goes on, and says so"}.get(sign_off or "")
        click.echo(f"next: `{found['next']}`" + (f"; {rule}" if rule else ""))


def _print_diff(before: str, after: str) -> None:
    from difflib import unified_diff

    for line in unified_diff(before.splitlines(), after.splitlines(), lineterm="", n=1):
        colour = {"+": "green", "-": "red"}.get(line[:1])
        click.echo(click.style(line, fg=colour))


def _short(digest: str) -> str:
    from rung.practice import short

    return short(digest)
