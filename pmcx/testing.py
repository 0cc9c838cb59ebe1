"""Conformance suites for stages, and helpers to test plugins without installing them.

In a plugin's tests::

    from pmcx.testing import DetectorSuite
    from my_package import MyDetector

    class TestMyDetector(DetectorSuite):
        make = MyDetector

pytest collects the suite's tests; ``pmcx check NAME`` runs the same ones on an installed stage. Suites
use plain ``assert`` and need nothing but pmcx.
"""

from __future__ import annotations

import io
import traceback
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, ClassVar, Literal

from .core.images import FigureImage
from .core.records import (
    Article,
    ArticleRef,
    Box,
    Drop,
    Failure,
    Figure,
    Ids,
    ImageRef,
    License,
    Markup,
    Mention,
    MentionSpan,
    Pair,
    Panel,
    spans_text,
    to_json,
    webdataset_key,
)
from .core.registry import Registry, StageInfo
from .core.stages import (
    Caption,
    Classifier,
    Detector,
    Document,
    Exporter,
    Options,
    PanelImage,
    Reader,
    Sample,
    Source,
    Splitter,
    Stage,
)


def registry_of(*plugins: object) -> Registry:
    """A registry that discovers nothing and holds these plugin objects only.

    A plugin object carries hook implementations marked with ``pmcx.hookimpl``.
    """
    registry = Registry()
    for number, plugin in enumerate(plugins):
        registry.register(plugin, getattr(plugin, "__name__", f"plugin{number}"), "0")
    return registry


# -- inputs -------------------------------------------------------------------------------------


def grid_figure(
    rows: int = 2, columns: int = 2, width: int = 640, height: int = 480, gutter: int = 24, seed: int = 0
) -> tuple[FigureImage, list[Box]]:
    """A figure of textured panels on white, and the panels' boxes."""
    import numpy as np

    rng = np.random.default_rng(seed)
    pixels = np.full((height, width, 3), 255, np.uint8)
    boxes: list[Box] = []
    for row in range(rows):
        for column in range(columns):
            x0 = gutter + column * (width - gutter) // columns
            y0 = gutter + row * (height - gutter) // rows
            x1 = (column + 1) * (width - gutter) // columns
            y1 = (row + 1) * (height - gutter) // rows
            noise = rng.integers(0, 90, (y1 - y0, x1 - x0, 3), dtype=np.uint8)
            pixels[y0:y1, x0:x1] = noise + rng.integers(0, 120, 3, dtype=np.uint8)
            boxes.append((x0, y0, x1, y1))
    return FigureImage.from_array(pixels, f"TEST/F{seed}"), boxes


def figure_images() -> list[FigureImage]:
    """Images of all shapes that a stage meets: compound, single, panorama, tower, tiny, blank, black."""
    import numpy as np

    images = [grid_figure(r, c, seed=10 * r + c)[0] for r, c in ((1, 1), (1, 2), (2, 2), (3, 3))]
    images.append(grid_figure(1, 6, 1200, 200, seed=61)[0])
    images.append(grid_figure(6, 1, 200, 1200, seed=62)[0])
    for value, (height, width) in ((255, (300, 400)), (0, (300, 400)), (255, (1, 1)), (128, (2, 700))):
        images.append(FigureImage.from_array(np.full((height, width, 3), value, np.uint8), f"TEST/U{width}"))
    return images


CAPTIONS: tuple[Caption, ...] = (
    Caption(text=""),
    Caption(text="A single sentence without parts."),
    Caption(text="Effect of the drug. (A) Control. (B) Treated cells. Scale bar, 10 µm."),
    Caption(text="(a) One; (b, c) two and three; (d–f) the rest."),
    Caption(text="A, first. B, second.", labels=("A", "B")),
    Caption(
        text="A Cells. B Mice.",
        markup=(Markup(start=0, end=1, kind="bold"), Markup(start=9, end=10, kind="bold")),
    ),
    Caption(text="(A) (B) (A) ((( A) B) [C] a.b.c. 1) 2) i) ii)"),
    Caption(text="(A)" * 500),
    Caption(text="\u00e9\u4e2d\U0001f9ec (A) \u202etext (B) \u00a0"),
)
"""Ordinary and adversarial captions."""


def sample_pairs(count: int = 6) -> list[Sample]:
    """Samples as an exporter receives them, with empty and full lists, several splits and odd names."""
    from PIL import Image

    samples = []
    for n in range(count):
        article = f"PMC{1000 + n // 2}.{n % 2 + 1}"
        caption = f"Figure title {n}. (A) Left part. (B) Right part, p < 0.05 é."
        start = caption.index("(A)")
        mentions = (
            Mention(
                paragraph="p1",
                section="Results",
                text="As shown in Fig. 1A, it works.",
                spans=(MentionSpan(start=12, end=19, labels=("A",)),),
            ),
        )
        out = io.BytesIO()
        Image.new("RGB", (8 + n, 6), (40 * n % 255, 10, 99)).save(out, "JPEG")
        pair_id = f"{article}/pone.0000217.g00{n}/a"
        pair = Pair(
            id=pair_id,
            key=webdataset_key(pair_id),
            article=article,
            figure=pair_id.rsplit("/", 1)[0],
            label="a",
            box=(0, 0, 8 + n, 6),
            image=ImageRef(href="g.jpg", name="g.jpg", sha256="0" * 64, format="jpeg", width=8 + n, height=6),
            width=8 + n,
            height=6,
            caption=caption,
            subcaption=caption[start:],
            spans=((start, len(caption)),) if n % 2 else (),
            mentions=mentions if n % 2 else (),
            license=License(
                code="CC BY", spdx="CC-BY-4.0", url="https://creativecommons.org/licenses/by/4.0/"
            ),
            attribution="A. Author, 2020",
            ids=Ids(pmcid=article.split(".")[0]),
            split=("train", "train", "validation", "test")[n % 4],
            sha256="1" * 64,
            made_by={"detector": "test 0"},
        )
        samples.append(Sample(pair, out.getvalue(), "jpg"))
    return samples


# -- suites -------------------------------------------------------------------------------------


class StageSuite:
    """What holds for every stage."""

    make: ClassVar[Any] = None
    """The stage class, or a callable that gives an unopened stage."""
    kind: ClassVar[type[Stage]] = Stage

    def stage(self) -> Any:
        """A new, unopened stage."""
        assert self.make is not None, "set `make` to your stage class"
        return type(self).make()

    def test_names_itself(self) -> None:
        stage = self.stage()
        assert isinstance(stage, self.kind), f"{type(stage).__name__} is no {self.kind.__name__}"
        assert isinstance(stage.name, str) and stage.name
        assert stage.resources.batch >= 1

    def test_options_are_typed_and_closed(self) -> None:
        options = self.stage().Options
        assert issubclass(options, Options)
        try:
            options.model_validate({"no_such_option_": 1})
        except ValueError:
            return
        raise AssertionError("an unknown option must be an error (derive from pmcx.Options)")

    def test_opens_and_closes_twice(self) -> None:
        stage = self.stage()
        for _ in range(2):
            stage.open()
            stage.close()

    def test_assets_are_hashes(self) -> None:
        for name, digest in self.stage().assets().items():
            assert len(digest) == 64 and set(digest) <= set("0123456789abcdef"), f"{name}: not a sha256"


class DetectorSuite(StageSuite):
    """The contract of :class:`pmcx.Detector`."""

    kind = Detector

    def _check(self, image: FigureImage, found: Iterable[Any]) -> None:
        for detection in found:
            x0, y0, x1, y1 = detection.box
            assert all(isinstance(v, int) for v in detection.box), f"boxes are ints: {detection.box}"
            inside = 0 <= x0 < x1 <= image.width and 0 <= y0 < y1 <= image.height
            assert inside, f"box {detection.box} outside {image.width}x{image.height}"
            assert 0.0 <= detection.score <= 1.0, f"score {detection.score}"

    def test_one_answer_per_image(self) -> None:
        images = figure_images()
        with self.stage() as detector:
            answers = detector.detect(images)
            assert len(answers) == len(images)
            for image, found in zip(images, answers, strict=True):
                self._check(image, found)

    def test_empty_batch(self) -> None:
        with self.stage() as detector:
            assert len(detector.detect([])) == 0

    def test_alone_or_in_a_batch(self) -> None:
        images = figure_images()
        with self.stage() as detector:
            together = detector.detect(images)
            for image, expected in zip(images, together, strict=True):
                alone = detector.detect([image])[0]
                assert len(alone) == len(expected), f"{len(alone)} panels alone, {len(expected)} in a batch"
                for one, other in zip(
                    sorted(d.box for d in alone), sorted(d.box for d in expected), strict=True
                ):
                    assert all(abs(a - b) <= 1 for a, b in zip(one, other, strict=True)), (one, other)

    def test_deterministic(self) -> None:
        images = figure_images()[:4]
        with self.stage() as detector:
            assert to_json(detector.detect(images)) == to_json(detector.detect(images))

    def test_images_are_left_alone(self) -> None:
        image, _ = grid_figure()
        before = image.image.tobytes()
        with self.stage() as detector:
            detector.detect([image])
        assert image.image.tobytes() == before


class ReaderSuite(StageSuite):
    """The contract of :class:`pmcx.Reader`."""

    kind = Reader

    def test_one_answer_per_image(self) -> None:
        images = figure_images()
        panels = [
            [Panel(id=f"{i.figure.id}/p1", figure=i.figure.id, box=(0, 0, i.width, i.height))] for i in images
        ]
        with self.stage() as reader:
            answers = reader.read(images, panels)
            assert len(answers) == len(images)
            for image, letters in zip(images, answers, strict=True):
                for letter in letters:
                    x0, y0, x1, y1 = letter.box
                    assert letter.text.strip() == letter.text != ""
                    assert 0 <= x0 < x1 <= image.width and 0 <= y0 < y1 <= image.height
                    assert 0.0 <= letter.score <= 1.0
            assert len(reader.read([], [])) == 0


class SplitterSuite(StageSuite):
    """The contract of :class:`pmcx.Splitter`."""

    kind = Splitter

    def test_parts_are_spans_of_the_caption(self) -> None:
        with self.stage() as splitter:
            answers = splitter.split(CAPTIONS)
            assert len(answers) == len(CAPTIONS)
            for caption, parts in zip(CAPTIONS, answers, strict=True):
                for part in parts:
                    self._check(caption, part)
            assert len(splitter.split([])) == 0

    def _check(self, caption: Caption, part: Any) -> None:
        assert part.labels and part.spans
        end = 0
        for start, stop in part.spans:
            assert end <= start < stop <= len(caption.text), f"spans {part.spans} of {len(caption.text)}"
            end = stop
        assert part.text == spans_text(caption.text, part.spans)
        assert sorted([*part.preface, *part.own, *part.tail]) == sorted(part.spans)
        assert 0.0 <= part.confidence <= 1.0

    def test_alone_or_in_a_batch(self) -> None:
        with self.stage() as splitter:
            together = splitter.split(CAPTIONS)
            for caption, expected in zip(CAPTIONS, together, strict=True):
                assert to_json(splitter.split([caption])[0]) == to_json(expected)


class ClassifierSuite(StageSuite):
    """The contract of :class:`pmcx.Classifier`."""

    kind = Classifier

    def test_one_answer_per_panel(self) -> None:
        panels = [PanelImage(i, (0, 0, i.width, i.height), "Caption.") for i in figure_images()]
        with self.stage() as classifier:
            answers = classifier.classify(panels)
            assert len(answers) == len(panels)
            for answer in answers:
                assert isinstance(answer.label, str)
                assert 0.0 <= answer.score <= 1.0
            assert len(classifier.classify([])) == 0


class SourceSuite(StageSuite):
    """The contract of :class:`pmcx.Source`; set ``make`` to a callable with options that find articles."""

    kind = Source
    most: ClassVar[int] = 8
    """Articles that the suite fetches."""

    def test_plan_is_stable_and_unique(self) -> None:
        first, second = ([to_json(ref) for ref in self.stage().plan()] for _ in range(2))
        assert first, "the source enumerates no article"
        assert first == second, "two plans differ"

    def _refs(self, source: Any) -> list[ArticleRef]:
        refs: list[ArticleRef] = []
        for ref in source.plan():
            if isinstance(ref, Drop):
                continue
            refs.append(ref)
            if len(refs) == self.most:
                break
        return refs

    def test_fetch_answers_each_ref(self) -> None:
        with self.stage() as source:
            refs = self._refs(source)
            answers = source.fetch(refs)
            assert len(answers) == len(refs)
            for ref, answer in zip(refs, answers, strict=True):
                if isinstance(answer, (Failure, Drop)):
                    assert answer.id == ref.id
                    continue
                self._check(ref, answer)
                answer.close()
            assert len(source.fetch([])) == 0

    def _check(self, ref: ArticleRef, document: Document) -> None:
        article = document.article
        assert isinstance(article, Article) and article.id == ref.id
        assert ref.id and "/" not in ref.id, f"article ids hold no '/': {ref.id!r}"
        ids = [figure.id for figure in document.figures]
        assert len(set(ids)) == len(ids), "figure ids are not unique"
        for figure in document.figures:
            assert isinstance(figure, Figure) and figure.article == article.id
            assert figure.id.startswith(f"{article.id}/"), figure.id
            for mark in figure.markup:
                assert 0 <= mark.start < mark.end <= len(figure.caption)
            for mention in figure.mentions:
                for span in mention.spans:
                    assert 0 <= span.start < span.end <= len(mention.text)


class ExporterSuite(StageSuite):
    """The contract of :class:`pmcx.Exporter`."""

    kind = Exporter

    def _write(self, folder: Path, samples: Sequence[Sample], unit: int = 17) -> Mapping[str, Any]:
        with self.stage() as exporter:
            exporter.begin(unit, folder)
            half = len(samples) // 2
            assert len(exporter.write(samples[:half])) == half
            assert len(exporter.write(samples[half:])) == len(samples) - half
            files: Mapping[str, Any] = exporter.end()
            return files

    def test_files_are_as_described(self) -> None:
        import hashlib

        with TemporaryDirectory() as folder:
            files = self._write(Path(folder), sample_pairs())
            found = {p.relative_to(folder).as_posix() for p in Path(folder).rglob("*") if p.is_file()}
            assert found == set(files), f"wrote {sorted(found)}, told of {sorted(files)}"
            for name, facts in files.items():
                data = (Path(folder) / name).read_bytes()
                assert name.startswith(f"{self.stage().root}/") and "000017" in name
                assert (hashlib.sha256(data).hexdigest(), len(data)) == (facts.sha256, facts.size)
            assert sum(facts.rows for facts in files.values()) == len(sample_pairs())

    def test_same_samples_same_bytes(self) -> None:
        with TemporaryDirectory() as one, TemporaryDirectory() as two:
            first = self._write(Path(one), sample_pairs())
            assert to_json(dict(first)) == to_json(dict(self._write(Path(two), sample_pairs())))

    def test_reads_back_what_it_wrote(self) -> None:
        samples = sample_pairs()
        with TemporaryDirectory() as folder:
            files = self._write(Path(folder), samples)
            back = [row for name in files for row in self.stage().read(Path(folder) / name)]
            expected = {sample.pair.key: sample for sample in samples}
            assert {pair.key for pair, _ in back} == set(expected)
            for pair, data in back:
                assert data == expected[pair.key].image
                assert pair == expected[pair.key].pair

    def test_empty_unit(self) -> None:
        with TemporaryDirectory() as folder:
            assert sum(facts.rows for facts in self._write(Path(folder), []).values()) == 0

    def test_abort_is_quiet(self) -> None:
        with TemporaryDirectory() as folder, self.stage() as exporter:
            exporter.begin(1, Path(folder))
            exporter.write(sample_pairs()[:1])
            exporter.abort()
            exporter.abort()


SUITES: dict[str, type[StageSuite]] = {
    "source": SourceSuite,
    "detector": DetectorSuite,
    "reader": ReaderSuite,
    "splitter": SplitterSuite,
    "classifier": ClassifierSuite,
    "exporter": ExporterSuite,
}


@dataclass(frozen=True)
class CheckResult:
    """How one test of a suite went."""

    test: str
    status: Literal["passed", "failed"]
    message: str = ""


def check_stage(info: StageInfo, options: Mapping[str, Any] | None = None) -> list[CheckResult]:
    """Run the conformance suite of a stage's kind, outside pytest."""
    from .core.config import validate

    def make() -> Stage:
        return info.cls(validate(info.cls.Options, dict(options or {}), f"options of {info.name!r}"))

    suite = type("Check", (SUITES[info.kind],), {"make": staticmethod(make)})()
    tests = [name for name in dir(suite) if name.startswith("test_")]
    return [_run_test(name, getattr(suite, name)) for name in tests]


def _run_test(name: str, test: Callable[[], None]) -> CheckResult:
    title = name[len("test_") :].replace("_", " ")
    try:
        test()
    except Exception as error:
        where = traceback.extract_tb(error.__traceback__)[-1]
        text = str(error) or f"assert in {where.name}: {where.line}"
        return CheckResult(title, "failed", f"{type(error).__name__}: {text}")
    return CheckResult(title, "passed")
