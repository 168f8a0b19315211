"""The command `rung`: one file for each verb, which parses, calls and prints.

A verb's module is imported when the verb is called, so `rung --help` imports nothing but click.
"""

from __future__ import annotations

import errno
import importlib
import json
import sys
from typing import TYPE_CHECKING

import click

from rung import __version__

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

__all__ = ["main"]

_VERBS = {
    "init": "make a workspace in a folder",
    "new": "lay down a service from a template",
    "check": "hold a service against its contract, without running it",
    "review": "show what a change means for a service, here or as a comment",
    "doc": "write experiment documents, and fill in their results from evidence",
    "knowledge": "find what was learned, in all documents and decisions",
    "data": "ingest, find, describe, compare and share datasets",
    "features": "list and materialise features, read and verify what is served",
    "spec": "show, check, sign and compare the specification of a service",
    "train": "run a service's training here",
    "tune": "find better hyperparameters, and whether they are worth having",
    "test": "run a service's tests, in process or against a URL",
    "runs": "list, show and compare runs of trainings and notebooks",
    "notebook": "lay down, run, schedule, show and search notebooks",
    "mlflow": "mirror runs and revisions to MLflow, import from it, show its pages",
    "reproduce": "run a training again and compare every output",
    "up": "start the platform of this workspace",
    "down": "stop the platform of this workspace",
    "deploy": "train or serve a revision on the platform",
    "queue": "show which trainings have slots, and which wait for one",
    "retrain": "train the incumbent's code anew on newer data, and deploy it",
    "promote": "put a revision through all gates, and let the evidence decide",
    "approve": "approve the promotion of somebody else's revision",
    "reject": "reject the promotion of a revision: it is torn down",
    "shadow": "mirror production to a revision, and compare predictions",
    "ab": "list, watch, draw, pause or abort A/B tests",
    "simulate-ab": "simulate a major's A/B test on its own recorded outcomes",
    "simulate-scaling": "simulate how a service's autoscaling would follow some traffic",
    "offpolicy": "estimate what another split of the traffic would have earned",
    "status": "show services, revisions and what comes next",
    "dashboard": "open the dashboard in a browser",
    "history": "show what answered production when",
    "audit": "show who did what, when and why",
    "why": "show the evidence behind a revision or a prediction",
    "diff": "show what differs between two revisions or runs",
    "lineage": "show what something was made of, and what was made of it",
    "alerts": "list what is wrong, and say something of it",
    "monitor": "show how production is doing: errors, latency, drift, quality",
    "card": "tell all that is on record of a revision, for people or as a bill of materials",
    "export": "take a revision elsewhere, in a form that other tools read",
    "predict": "predict whole files and datasets with a revision, without a server",
    "metrics": "show the business metrics of every revision",
    "cost": "show what revisions used and cost, and which nobody asks",
    "logs": "show the log of a revision's training or server",
    "verify": "hold a revision against what was signed when it was trained",
    "rollback": "bring the last incumbent back",
    "teardown": "stop a revision that is not the incumbent",
    "revive": "serve a torn-down revision again, without traffic",
    "login": "log in at a control plane elsewhere",
    "consumer": "make, list and revoke the keys by which consumers are known at the gateway",
    "gateway": "run gateways on further machines, and see how they follow",
    "contract": "register what a consumer relies on: held at every promotion",
    "token": "make, list and revoke the tokens of others",
    "backup": "copy the state of this workspace elsewhere, while everything runs",
    "restore": "fill the empty state of this workspace from a backup",
    "gc": "take away what nothing needs any more",
    "doctor": "find what is wrong, with the command that mends it",
    "completion": "let bash, zsh or fish complete verbs and options",
    "db": "check the registry's database, move its schema, copy it",
}

_DISK = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS})
"""Errors of a disk, which say nothing about Rung."""


class _Verbs(click.Group):
    """Finds a verb by its name; knows each one's short help without importing it."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        del ctx
        return list(_VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        del ctx
        if cmd_name not in _VERBS:
            return None
        command: click.Command = importlib.import_module(f"rung.cli.{cmd_name.replace('-', '_')}").command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in _VERBS and not args[0].startswith("-"):
            import difflib

            close = difflib.get_close_matches(args[0], _VERBS, n=1)
            hint = f"did you mean {close[0]!r}?" if close else "`rung --help` lists the verbs"
            raise click.UsageError(f"there is no verb {args[0]!r}: {hint}", ctx)
        if args and ctx.params.get("control"):
            from rung.cli import _remote

            _remote.hold(ctx, args[0], args[1:])
        return super().resolve_command(ctx, args)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        from click.shell_completion import CompletionItem

        if incomplete.startswith("-"):
            return super().shell_complete(ctx, incomplete)
        return [CompletionItem(verb, help=told) for verb, told in _VERBS.items() if verb.startswith(incomplete)]

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        del ctx
        with formatter.section("Verbs"):
            formatter.write_dl(list(_VERBS.items()))


@click.command(
    cls=_Verbs,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Begin with: rung init, rung new housing --template housing, rung train housing, rung up --detach.",
)
@click.version_option(__version__, prog_name="rung")
@click.option("--control", metavar="URL", envvar="RUNG_CONTROL", help="A control plane elsewhere, https://HOST:4700.")
def rung(control: str | None) -> None:
    """Take a machine learning service through its whole life: train, serve, promote by evidence, roll back."""
    del control  # for the commands that ask a control plane: `_remote` reads it, and refuses the others


def main() -> None:
    """Run the command and end with its exit code."""
    from rung.errors import RungError

    try:
        code = rung.main(standalone_mode=False)
    except click.exceptions.Abort:
        click.echo("stopped", err=True)
        code = 130
    except KeyboardInterrupt:
        code = 130
    except click.ClickException as error:
        error.show()
        code = error.exit_code
    except RungError as error:
        _show(error)
        code = error.exit_code
    except BrokenPipeError:  # the reader of a pipe went away: nothing more to say
        sys.stderr.close()
        code = 141
    except OSError as error:
        if error.errno not in _DISK:
            raise
        code = _show_disk(error)
    sys.exit(code if isinstance(code, int) else 0)


def _show_disk(error: OSError) -> int:
    from rung.errors import UnavailableError

    told = UnavailableError(
        f"{error.filename or 'a file'} cannot be written ({error.strerror})",
        hint="free some space, or see to the disk; then the same command again",
    )
    _show(told)
    return told.exit_code


def _show(error: Exception) -> None:
    from rung.errors import RungError

    assert isinstance(error, RungError)  # noqa: S101  called for these
    if "--json" in sys.argv:
        told = {"error": {"code": error.code, "message": error.message, "hint": error.hint}}
        click.echo(json.dumps(told))
        return
    click.echo(f"{click.style('error:', fg='red', bold=True)} {error.message}", err=True)
    if error.hint:
        click.echo(f"  {error.hint}", err=True)
