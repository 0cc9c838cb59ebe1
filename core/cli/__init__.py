"""The ``pmcx`` command: click commands, each loaded only when it is called."""

from __future__ import annotations

import importlib
import io
import logging
import os
import sys
from typing import Any

import click

COMMANDS = {
    "run": ("run", "Extract panel-caption pairs from articles into a run folder."),
    "plan": ("plan", "Show what a run would fetch: articles, bytes, licences."),
    "status": ("reading", "How a run stands: done, pending, lost, dropped."),
    "verify": ("reading", "Check every byte, row and book of a run."),
    "retry": ("run", "Try lost items of a run again."),
    "inspect": ("reading", "Show one pair of a run, or save its image."),
    "detect": ("single", "Cut image files into panels."),
    "split": ("single", "Split captions from standard input into parts."),
    "score": ("pmcx.training.cli.score", "Score detectors on annotated figures."),
    "synth": ("pmcx.training.cli.synth", "Draw synthetic compound figures with their truth."),
    "train": ("pmcx.training.cli.train", "Train a model on synthetic figures."),
    "plugins": ("plugins", "List plugins and the stages they offer."),
    "check": ("plugins", "Test an installed stage against its contract."),
    "check-live": ("live", "Ask the service behind a source whether it is as pmcx takes it to be."),
    "completion": ("plugins", "Print the shell completion script."),
}
"""Command -> (module, of this package where it has no dots, one line of help): known without importing it."""


class LazyGroup(click.Group):
    """A group whose commands are imported when called; plugin commands are looked for last."""

    _plugins_asked = False

    def list_commands(self, ctx: click.Context) -> list[str]:
        self._ask_plugins()
        return [*COMMANDS, *(name for name in super().list_commands(ctx) if name not in COMMANDS)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name in COMMANDS:
            name = COMMANDS[cmd_name][0]
            module = importlib.import_module(name if "." in name else f".{name}", __name__)
            command: click.Command = getattr(module, f"{cmd_name.replace('-', '_')}_command")
            return command
        self._ask_plugins()
        return super().get_command(ctx, cmd_name)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        rows = [(name, text) for name, (_, text) in COMMANDS.items()]
        self._ask_plugins()
        for name in super().list_commands(ctx):
            command = super().get_command(ctx, name)
            rows.append((name, command.get_short_help_str(90) if command else ""))
        with formatter.section("Commands"):
            formatter.write_dl(rows)

    def _ask_plugins(self) -> None:
        """Let installed third-party plugins add commands; the built-ins are all named above."""
        if self._plugins_asked:
            return
        self._plugins_asked = True
        if has_third_party():
            from ..registry import Registry

            Registry.discover(third_party_only=True).notify("pmcx_commands", cli=self)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            import difflib

            near = difflib.get_close_matches(args[0], self.list_commands(ctx), n=1)
            if not near:
                raise
            raise click.UsageError(f"{error.message} Did you mean {near[0]!r}?", ctx) from error


def has_third_party() -> bool:
    """Whether any plugin but the built-in ones is installed, without importing it."""
    import importlib.metadata

    if os.environ.get("PMCX_PLUGINS"):
        return True
    points = importlib.metadata.entry_points(group="pmcx")
    return any(point.dist is not None and point.dist.name != "pmcx-extract" for point in points)


def _version(ctx: click.Context, _param: click.Parameter, value: bool) -> None:
    if value and not ctx.resilient_parsing:
        from pmcx import __version__

        click.echo(f"pmcx {__version__}")
        ctx.exit()


@click.group(
    cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}
)
@click.option(
    "--version", is_flag=True, callback=_version, expose_value=False, is_eager=True, help="Version."
)
@click.option("-v", "--verbose", count=True, help="More messages on standard error; -vv for debugging.")
def cli(verbose: int) -> None:
    """Panel-caption pairs from open biomedical articles.

    Start with:  pmcx run --source demo --out demo-out
    """
    level = {0: logging.WARNING, 1: logging.INFO}.get(verbose, logging.DEBUG)
    level = getattr(logging, os.environ.get("PMCX_LOG", "").upper(), level)
    logging.basicConfig(level=level, format="%(levelname)s %(name)s: %(message)s", stream=sys.stderr)


def main(args: list[str] | None = None) -> Any:
    """Entry point: maps pmcx's errors to one line on standard error and an exit code."""
    from ..errors import PmcxError, UsageError

    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a terminal or pipe that cannot show all characters
            stream.reconfigure(errors="backslashreplace")
    try:
        code = cli.main(args=args, prog_name="pmcx", standalone_mode=False)
        sys.exit(code if isinstance(code, int) else 0)
    except (click.exceptions.Abort, KeyboardInterrupt):  # click turns the one into the other
        click.echo("pmcx: stopped; run the same command again to resume", err=True)
        sys.exit(130)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except BrokenPipeError:
        # The reader of our output went away (`pmcx status | head`); nothing to report.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        sys.exit(0)
    except OSError as error:
        told = f"{error.filename}: " if error.filename else ""
        click.echo(f"pmcx: {told}{error.strerror or error}", err=True)
        sys.exit(1)
    except PmcxError as error:
        click.echo(f"pmcx: {error}", err=True)
        sys.exit(2 if isinstance(error, UsageError) else 1)
