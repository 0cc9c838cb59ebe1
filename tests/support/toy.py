"""A source, a detector and event hooks for tests of the engine: fast, deterministic, and able to misbehave.

Used as ``--plugin toy`` with this folder on ``sys.path``; workers inherit it.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec

import pmcx
from pmcx.core.images import FigureImage
from pmcx.core.records import Ids, License, Mention, MentionSpan

CC_BY = License(code="CC BY", spdx="CC-BY-4.0", url="https://creativecommons.org/licenses/by/4.0/")


class ToyDocument(pmcx.Document):
    """Two figures: one of two panels, one of a single panel."""

    def __init__(self, ref: pmcx.ArticleRef, options: ToySource.Options) -> None:
        self.options = options
        text = "Fig. 1 shows it."
        mention = Mention(paragraph="p1", text=text, spans=(MentionSpan(start=0, end=6),))
        figures = [
            pmcx.Figure(
                id=f"{ref.id}/F{n}",
                article=ref.id,
                label=f"Figure {n}",
                caption="Toy. (A) Left half. (B) Right half." if n == 1 else "One panel of a toy.",
                image=pmcx.ImageRef(href=f"f{n}.png", name=f"f{n}.png"),
                mentions=(mention,) if n == 1 else (),
                license=CC_BY,
            )
            for n in (1, 2)
        ]
        article = pmcx.Article(
            id=ref.id,
            source="toy",
            title=f"Toy {ref.id}",
            license=CC_BY,
            attribution=f"Toy authors, {ref.id}",
        )
        super().__init__(article, figures)

    def read(self, figure: pmcx.Figure) -> bytes:
        if self.options.state and figure.id == "TOY4/F1" and Path(self.options.state).read_text() == "busy":
            raise pmcx.TransientError("the server is busy")
        if self.options.sick == figure.id and Path(self.options.flag).exists():
            raise pmcx.TransientError("the server is busy")
        if self.options.broken == figure.id:
            return b"\x89PNG\r\n\x1a\nthis is no image"
        return draw(figure.id)


def draw(seed: str) -> bytes:
    """A small PNG that depends on nothing but ``seed``."""
    from PIL import Image, ImageDraw

    rgb = hashlib.sha256(seed.encode()).digest()
    image = Image.new("RGB", (128, 64), "white")
    pen = ImageDraw.Draw(image)
    pen.rectangle((4, 4, 58, 58), fill=tuple(rgb[:3]))
    pen.rectangle((70, 4, 122, 58), fill=tuple(rgb[3:6]))
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()


class ToySource(pmcx.Source):
    """Articles that are made up, some of them bad on request."""

    name = "toy"

    class Options(pmcx.Options):
        articles: int = 20
        delay: float = 0.0
        lost: str = ""
        """Article whose fetch is a bug."""
        sick: str = ""
        """Figure that fails transiently while ``flag`` exists."""
        flag: str = ""
        broken: str = ""
        """Figure whose image is broken."""
        odd: str = ""
        """``ARTICLE:HOW``: a source that answers nonsense (see ``ToySource._odd``)."""
        state: str = ""
        """A file whose text changes how article TOY4 is answered: down, retracted, gone, busy."""
        left_out: str = ""
        """Article that the source leaves out on purpose."""
        deadly: str = ""
        """Article that kills its process."""
        stuck: str = ""
        """Article that never returns."""
        repeat: bool = False
        """Enumerate one article twice."""

    def plan(self) -> Iterator[pmcx.ArticleRef]:
        for n in range(self.options.articles):
            yield pmcx.ArticleRef(id=f"TOY{n}", locator=str(n))
        if self.options.repeat:
            yield pmcx.ArticleRef(id="TOY0", locator="again")

    def fetch(self, refs: Sequence[pmcx.ArticleRef]) -> list[pmcx.Document | pmcx.Failure | pmcx.Drop]:
        return [self._one(ref) for ref in refs]

    def _one(self, ref: pmcx.ArticleRef) -> pmcx.Document | pmcx.Failure | pmcx.Drop:
        time.sleep(self.options.delay)
        state = self.options.state and Path(self.options.state).read_text()
        if state == "down" and ref.id == "TOY4":
            return pmcx.Failure(id=ref.id, stage="fetch", kind="transient", error="the server is down")
        if self.options.odd.startswith(f"{ref.id}:"):
            return self._odd(ref, self.options.odd.partition(":")[2])
        if ref.id == self.options.left_out:
            return pmcx.Drop(id=ref.id, stage="fetch", reason="not-open-access")
        if ref.id == self.options.lost:
            raise RuntimeError("a bug in the toy")
        if ref.id == self.options.deadly:
            os.abort()
        if ref.id == self.options.stuck:
            time.sleep(600)
        document = ToyDocument(ref, self.options)
        if state == "retracted" and ref.id == "TOY4":
            document.article = msgspec.structs.replace(document.article, retracted=True)
        if state == "gone" and ref.id == "TOY4":
            document.figures = document.figures[1:]
        return document

    def _odd(self, ref: pmcx.ArticleRef, how: str) -> Any:
        document = ToyDocument(ref, self.options)
        if how == "none":
            return None
        if how == "other":
            return ToyDocument(pmcx.ArticleRef(id="TOY99", locator=""), self.options)
        if how == "twice":
            document.figures = document.figures[:1] * 2
        if how == "surrogate":
            caption = "Broken \udcff. (A) Text. (B) More."
            document.figures = tuple(msgspec.structs.replace(f, caption=caption) for f in document.figures)
        if how == "error":
            raise pmcx.InputError("m\udcfcller.zip is broken")
        if how == "close":
            document.close = lambda: 1 / 0  # type: ignore[method-assign, return-value, assignment]
        if how == "child":
            subprocess.run([sys.executable, "-c", "import sys; sys.stdin.read()"], check=True)
        return document


class ShelfDocument(ToyDocument):
    """A toy whose images count as downloads: asked for by ``prepare``, then read."""

    def prepare(self, figures: Sequence[pmcx.Figure]) -> None:
        self.prepared = [figure.id for figure in figures]

    def read(self, figure: pmcx.Figure) -> bytes:
        assert figure.id in self.prepared, f"{figure.id} is read but was not prepared"
        time.sleep(self.options.delay)
        return draw(figure.id + self.options.salt)


class ShelfSource(ToySource):
    """Articles as a file tells: ``shelf`` is JSON of id -> {fingerprint, license, retracted, missing}."""

    name = "shelf"
    ahead = 2
    selecting = frozenset({"shelf"})
    circumstantial = frozenset({"shelf", "delay"})

    class Options(ToySource.Options):
        shelf: str
        salt: str = ""

    def _shelf(self) -> dict[str, dict[str, Any]]:
        shelf: dict[str, dict[str, Any]] = json.loads(Path(self.options.shelf).read_text())
        return shelf

    def plan(self) -> Iterator[pmcx.ArticleRef | pmcx.Drop]:
        for name, facts in self._shelf().items():
            if name == "incomplete":
                self.incomplete = str(facts)
            elif facts.get("missing"):
                yield pmcx.Drop(id=name, stage="anything", reason=facts.get("reason", "not-found"))
            else:
                group = facts.get("group", "")
                fingerprint = facts.get("fingerprint", "")
                yield pmcx.ArticleRef(id=name, locator=name, fingerprint=fingerprint, group=group)

    def survey(self, refs: Sequence[pmcx.ArticleRef]) -> list[pmcx.Survey | pmcx.Drop]:
        found: list[pmcx.Survey | pmcx.Drop] = []
        for ref in refs:
            terms = License(code=self._shelf()[ref.base].get("license", "CC BY"))
            drop = self.accept(pmcx.Article(id=ref.id, license=terms))
            found.append(drop or pmcx.Survey(ref.id, license=terms.code, files=2, size=1000))
        return found

    def _one(self, ref: pmcx.ArticleRef) -> pmcx.Document | pmcx.Failure | pmcx.Drop:
        facts: Any = self._shelf()[ref.locator]
        if facts.get("state") == "down":
            raise pmcx.TransientError("the server is down")
        terms = License(code=facts.get("license", "CC BY"))
        drop = self.accept(pmcx.Article(id=ref.id, license=terms, retracted=facts.get("retracted", False)))
        if drop is not None:
            return drop
        super()._one(ref)
        document = ShelfDocument(ref, self.options)
        ids = Ids(pmcid=facts.get("pmcid", ""))
        document.article = msgspec.structs.replace(document.article, ids=ids)
        return document


class HalvesDetector(pmcx.Detector):
    """Two halves for figure 1, nothing for others; a bug for one figure on request."""

    name = "halves"

    class Options(pmcx.Options):
        bug: str = ""
        nan: str = ""

    def detect(self, images: Sequence[FigureImage]) -> list[list[pmcx.Detection]]:
        return [self._one(image) for image in images]

    def _one(self, image: FigureImage) -> list[pmcx.Detection]:
        if image.figure.id == self.options.nan:
            nan: Any = float("nan")
            return [pmcx.Detection(box=(nan, 0, 5, 5))]
        if image.figure.id == self.options.bug:
            raise ZeroDivisionError("a bug in the detector")
        if not image.figure.id.endswith("/F1"):
            return []
        half = image.width // 2
        boxes = [(half, 0, image.width, image.height), (0, 0, half, image.height)]
        return [pmcx.Detection(box=box, score=0.9) for box in boxes]


EVENTS: list[str] = []


@pmcx.hookimpl
def pmcx_sources() -> list[type[pmcx.Source]]:
    return [ToySource, ShelfSource]


@pmcx.hookimpl
def pmcx_detectors() -> list[type[pmcx.Detector]]:
    return [HalvesDetector]


@pmcx.hookimpl
def pmcx_run_started() -> None:
    EVENTS.append("started")


@pmcx.hookimpl
def pmcx_unit_committed(receipt: object) -> None:
    EVENTS.append("committed")


@pmcx.hookimpl
def pmcx_run_finished() -> None:
    EVENTS.append("finished")
    raise RuntimeError("an event hook that fails harms nothing")
