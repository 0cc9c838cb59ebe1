"""``pmcx check-live``: whether the service behind a source is still as pmcx takes it to be."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import parse_qsl, urlencode, urlsplit

import click

from ..errors import PmcxError, UsageError
from .reading import JSON

if TYPE_CHECKING:
    from ..net.client import Client, Response
    from ..stages import LiveCheck, Source

Status = Literal["ok", "FAILED", "skipped"]
STYLES: dict[Status, str] = {"ok": "green", "FAILED": "red", "skipped": "yellow"}
MARKS = {b"<": ".xml", b"{": ".json", b"[": ".json", b"PK": ".zip", b"\x1f\x8b": ".gz"}
"""First bytes of an answer -> suffix of the file that keeps it."""
SECRETS = frozenset(("api_key", "email", "x-amz-credential", "x-amz-signature", "x-amz-security-token"))
"""Parameters of an address that are never written down."""


@dataclass(frozen=True)
class Finding:
    """What came of one check; ``seen`` is what the service did, or why that could not be found out."""

    name: str
    expected: str
    status: Status
    seen: str
    advice: str = ""


class Recorder:
    """Counts what a service answers and, with a folder, keeps every answer as it came.

    Files are ``<check>-<n>.<suffix>``; ``answers.jsonl`` tells address, status and headers of each.
    """

    def __init__(self, folder: Path | None) -> None:
        self.folder = folder
        self.check = "before"
        self.requests = self.bytes = 0
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "answers.jsonl").write_bytes(b"")

    def __call__(self, response: Response) -> None:
        self.requests += 1
        self.bytes += len(response.body)
        if self.folder is None:
            return
        name = f"{self.check}-{self.requests:03d}{_suffix(response.body)}"
        (self.folder / name).write_bytes(response.body)
        told = {
            "file": name,
            "url": without_secrets(response.url),
            "status": response.status,
            "headers": dict(response.headers),
        }
        with (self.folder / "answers.jsonl").open("a", encoding="utf-8") as out:
            out.write(json.dumps(told) + "\n")


def _suffix(body: bytes) -> str:
    head = body[:64].lstrip(b"\xef\xbb\xbf \t\r\n")
    return next((suffix for mark, suffix in MARKS.items() if head.startswith(mark)), ".bin")


def without_secrets(url: str) -> str:
    """The address without keys, signatures and e-mail addresses."""
    parts = urlsplit(url)
    kept = [(key, value) for key, value in parse_qsl(parts.query, True) if key.lower() not in SECRETS]
    return parts._replace(query=urlencode(kept)).geturl()


def findings(source: Source, client: Client, recorder: Recorder) -> Iterator[Finding]:
    """Run the live checks of a source one by one."""
    client.observer = recorder
    for check in source.live_checks(client):
        recorder.check = re.sub(r"[^a-z0-9-]+", "-", check.name)
        yield _find(check)


def _find(check: LiveCheck) -> Finding:
    from ..stages import SkippedError

    status: Status = "FAILED"
    try:
        seen = check.check()
        status = "ok"
    except SkippedError as error:
        status, seen = "skipped", str(error)
    except (AssertionError, PmcxError) as error:
        seen = str(error) or type(error).__name__
    except Exception as error:  # an answer so strange that the check itself trips over it
        seen = f"{type(error).__name__}: {error}"
    return Finding(check.name, check.assumption, status, seen, check.advice if status == "FAILED" else "")


@click.command("check-live")
@click.argument("name")
@click.option("--endpoint", metavar="URL", help="Ask this server instead of the service's own.")
@click.option("--contact", metavar="EMAIL", help="E-mail address sent with requests.")
@click.option("--requester-pays", is_flag=True, help="Agree to pay for requests and transfer (AWS).")
@click.option("--option", "options", multiple=True, metavar="KEY=VALUE", help="Option of the source.")
@click.option(
    "--save",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Keep every answer, as it came, in this folder.",
)
@click.option("--no-plugin", "blocked", multiple=True, metavar="NAME", help="As in `pmcx run`.")
@click.option("--plugin", "modules", multiple=True, metavar="MODULE", help="As in `pmcx run`.")
@JSON
def check_live_command(
    name: str,
    endpoint: str | None,
    contact: str | None,
    requester_pays: bool,
    options: tuple[str, ...],
    save: Path | None,
    blocked: tuple[str, ...],
    modules: tuple[str, ...],
    as_json: bool,
) -> int:
    """Ask the service behind a source whether it still is what pmcx takes it to be.

    One line for each assumption; nothing is written but with --save. Exit codes: 0 all hold, 1 one does
    not, 2 wrong usage.
    """
    from ..net.client import Client
    from ..net.options import NetOptions
    from ..registry import Registry
    from .output import print_json

    info = Registry.discover(blocked, modules).stage("source", name)
    flags = {"endpoint": endpoint, "contact": contact, "requester_pays": requester_pays}
    given = _options(info.cls, {key: value for key, value in flags.items() if value}, options)
    recorder = Recorder(save)
    found: list[Finding] = []
    source: Any = info.cls(given)
    if not isinstance(given, NetOptions):
        raise UsageError(f"the source {name!r} asks no service: there is nothing to check")
    with Client(given, source.rates() if hasattr(source, "rates") else {}) as client:
        for finding in findings(source, client, recorder):
            found.append(finding)
            if not as_json:
                _tell(finding)
    if not found:
        raise UsageError(f"the source {name!r} has no live checks")
    ok = all(finding.status != "FAILED" for finding in found)
    if as_json:
        print_json(
            {
                "source": name,
                "endpoint": endpoint or "",
                "ok": ok,
                "requests": recorder.requests,
                "bytes": recorder.bytes,
                "checks": [asdict(finding) for finding in found],
            }
        )
    else:
        _sum_up(name, found, recorder)
    return 0 if ok else 1


def _options(cls: Any, flags: dict[str, Any], options: tuple[str, ...]) -> Any:
    """Options of the source: what was given, nothing from a cache, and few tries, so that failures show."""
    from ..config import parse_assignments, validate

    fields = cls.Options.model_fields
    quick = {"cache": "none", "attempts": 3, "max_wait": 20.0}
    data: dict[str, Any] = {key: value for key, value in quick.items() if key in fields}
    data.update(parse_assignments(options, "--option"))
    data.update(flags)
    return validate(cls.Options, data, f"options of {cls.name!r}")


def _tell(finding: Finding) -> None:
    from .output import console

    out = console()
    style = STYLES[finding.status]
    out.print(f"{finding.status:8s}{finding.name}: {finding.expected}", style=style, markup=False)
    label = {"ok": "seen", "FAILED": "seen", "skipped": "why"}[finding.status]
    out.print(f"          {label}: {finding.seen}", markup=False)
    if finding.advice:
        out.print(f"          do: {finding.advice}", markup=False)


def _sum_up(name: str, found: list[Finding], recorder: Recorder) -> None:
    from .output import console

    counts = {status: sum(finding.status == status for finding in found) for status in STYLES}
    asked = f"{recorder.requests} answers, {recorder.bytes / 2**20:.1f} MiB"
    out = console()
    out.print(
        f"{name}: {counts['ok']} of {len(found)} assumptions hold, {counts['FAILED']} FAILED, "
        f"{counts['skipped']} skipped ({asked})",
        markup=False,
    )
    failed = [finding.name for finding in found if finding.status == "FAILED"]
    if failed:
        out.print(f"FAILED: {', '.join(failed)}", style="red", markup=False)
