"""Readers of annotation formats: what they read, and what they say of malformed input."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pmcx.core.errors import UsageError
from pmcx.training.truth import FORMATS, TrueFigure, format_of, read_truth
from pmcx.training.truth.images import find_image

ANNOTATIONS = [
    {
        "file": "images/art1__fig1.jpg",
        "width": 600,
        "height": 500,
        "doubt": "could be one",
        "panels": [
            {"label": "A", "box": [0, 0, 300, 500], "label_box": [2, 2, 12, 14], "class": "plot"},
            {"label": "", "box": [310, 0, 600, 500], "alt_box": [320, 10, 590, 490], "label_box": None},
        ],
    },
    {"file": "images/loose.png", "panels": []},
]

COCO = {
    "images": [
        {"id": 7, "file_name": "a__1.jpg", "width": 100, "height": 80},
        {"id": 8, "file_name": "b.jpg", "width": 100, "height": 80},
    ],
    "categories": [{"id": 1, "name": "panel"}, {"id": 2, "name": "label"}, {"id": 3, "name": "plot"}],
    "annotations": [
        {"id": 1, "image_id": 7, "category_id": 1, "bbox": [0, 0, 50.2, 80]},
        {"id": 2, "image_id": 7, "category_id": 3, "bbox": [50, 0, 50, 80], "iscrowd": 0},
        {"id": 3, "image_id": 7, "category_id": 2, "bbox": [51, 1, 8, 8]},
        {"id": 4, "image_id": 8, "category_id": 1, "bbox": [0, 0, 9, 9], "iscrowd": 1,
         "segmentation": {"size": [80, 100], "counts": "abc"}},
    ],
}  # fmt: skip

IMAGECLEF = """<?xml version="1.0" encoding="UTF-8"?>
<annotations>
  <annotation>
    <filename>1297-9686-42-10-3</filename>
    <object><point x="0" y="0"/><point x="200" y="0"/><point x="0" y="300"/><point x="200" y="300"/></object>
    <object><point x="203" y="0"/><point x="400" y="0"/><point x="203" y="9"/><point x="400" y="9"/></object>
  </annotation>
  <annotation>
    <filename>1471-2105-9-1-2</filename>
    <object><point x="0" y="0"/><point x="90" y="0"/><point x="0" y="50"/><point x="90" y="50"/></object>
    <object><point x="5" y="5"/><point x="5" y="5"/><point x="5" y="9"/><point x="5" y="9"/></object>
    <object><point x="5" y="5"/><point x="8" y="5"/><point x="5"/><point/></object>
  </annotation>
</annotations>
"""

ZOU = """zou/0/a-3.jpg,7,8,281,374,panel,247,18,277,48,a
zou/0/a-3.jpg,300,10,592,373,panel,,,,,
zou/0/b.jpg,,,,,,,,,,
"""

VOC = """<annotation>
  <folder>x</folder><filename>{name}</filename>
  <size><width>100</width><height>80</height><depth>3</depth></size>
  <object><name>panel</name><difficult>{hard}</difficult>
    <bndbox><xmin>{low}</xmin><ymin>1</ymin><xmax>50</xmax><ymax>80</ymax></bndbox></object>
  <object><name>label</name>
    <bndbox><xmin>3</xmin><ymin>3</ymin><xmax>10</xmax><ymax>12</ymax></bndbox></object>
</annotation>
"""

SCIINT = {
    "0001": {"fig-path": "figures/1.png", "panels-location": {"0": {"x0": 1, "y0": 2, "x1": 30, "y1": 50}}}
}


def write(path: Path, content: Any) -> Path:
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return path


def boxes(figure: TrueFigure) -> list[tuple[int, ...]]:
    return [panel.box for panel in figure.panels]


def test_annotations(tmp_path: Path) -> None:
    truth = read_truth(write(tmp_path / "t.json", ANNOTATIONS))
    assert truth.format == "pmcx"
    first, second = truth.figures
    assert (first.width, first.height, first.doubt, first.article) == (600, 500, "could be one", "art1")
    assert first.panels[0].label == "A" and first.panels[0].category == "plot"
    assert first.panels[0].label_box == (2, 2, 12, 14)
    assert first.panels[1].boxes == ((310, 0, 600, 500), (320, 10, 590, 490))
    assert (second.panels, second.width, second.article) == ((), 0, "")


def test_coco(tmp_path: Path) -> None:
    truth = read_truth(write(tmp_path / "t.json", COCO))
    assert truth.format == "coco"
    first, second = truth.figures
    assert boxes(first) == [(0, 0, 50, 80), (50, 0, 100, 80)]
    assert [p.category for p in first.panels] == ["", "plot"]
    assert [p.label_box for p in first.panels] == [None, (51, 1, 59, 9)]
    assert (first.id, first.article) == ("7", "a")
    assert second.panels == ()
    assert truth.notes == ("1 crowd regions (iscrowd) left out: they mark no single panel",)


def test_imageclef(tmp_path: Path) -> None:
    truth = read_truth(write(tmp_path / "t.xml", IMAGECLEF))
    assert truth.format == "imageclef"
    assert boxes(truth.figures[0]) == [(0, 0, 200, 300), (203, 0, 400, 9)]
    assert truth.figures[0].file == "1297-9686-42-10-3"
    assert boxes(truth.figures[1]) == [(0, 0, 90, 50)]
    assert truth.notes == ("line 8: 1471-2105-9-1-2: objects without an extent left out",)


def test_zou(tmp_path: Path) -> None:
    truth = read_truth(write(tmp_path / "t.csv", ZOU))
    assert truth.format == "zou"
    first, second = truth.figures
    assert boxes(first) == [(7, 8, 281, 374), (300, 10, 592, 373)]
    assert [(p.label, p.label_box) for p in first.panels] == [("a", (247, 18, 277, 48)), ("", None)]
    assert second.panels == ()


def test_voc_counts_from_one(tmp_path: Path) -> None:
    write(tmp_path / "fig10.xml", VOC.format(name="fig10.jpg", low=1, hard=0))
    write(tmp_path / "fig9.xml", VOC.format(name="fig9.jpg", low=11, hard=1))
    truth = read_truth(tmp_path)
    assert truth.format == "voc" and truth.notes == ()
    assert [f.file for f in truth.figures] == ["fig9.jpg", "fig10.jpg"]
    assert [boxes(f) for f in truth.figures] == [[(10, 0, 50, 80)], [(0, 0, 50, 80)]]
    assert [bool(f.doubt) for f in truth.figures] == [True, False]
    assert truth.figures[1].panels[0].label_box == (2, 2, 10, 12)
    assert boxes(read_truth(tmp_path / "fig10.xml").figures[0]) == [(0, 0, 50, 80)]


def test_voc_from_zero_is_noticed(tmp_path: Path) -> None:
    write(tmp_path / "a.xml", VOC.format(name="a.jpg", low=0, hard=0))
    write(tmp_path / "b.xml", VOC.format(name="b.jpg", low=11, hard=0))
    truth = read_truth(tmp_path)
    assert [boxes(f) for f in truth.figures] == [[(0, 1, 50, 80)], [(11, 1, 50, 80)]]
    assert "count pixels from 0" in truth.notes[0]


def test_yolo(tmp_path: Path) -> None:
    images, labels = tmp_path / "images", tmp_path / "labels"
    images.mkdir()
    labels.mkdir()
    Image.new("RGB", (200, 100)).save(images / "a__1.png")
    write(labels / "a__1.txt", "0 0.25 0.5 0.5 1\n1 0.05 0.1 0.1 0.2\n\n0 0.75 0.5 0.5 1\n")
    write(labels / "classes.txt", "panel\nlabel\n")
    truth = read_truth(labels, images)
    assert truth.format == "yolo"
    assert boxes(truth.figures[0]) == [(0, 0, 100, 100), (100, 0, 200, 100)]
    assert truth.figures[0].panels[0].label_box == (0, 0, 20, 20)
    assert (truth.figures[0].file, truth.figures[0].article) == ("a__1.png", "a")
    with pytest.raises(UsageError, match="--images"):
        read_truth(labels)


def test_sciint_has_rows_for_x(tmp_path: Path) -> None:
    truth = read_truth(write(tmp_path / "t.json", SCIINT))
    assert truth.format == "sciint"
    assert boxes(truth.figures[0]) == [(2, 1, 50, 30)]


@pytest.mark.real_data
def test_sciint_fits_its_masks(shared_data: Path) -> None:
    folder = shared_data / "layouts" / "sciint"
    truth = read_truth(folder / "panel-segmentation-annotation.json")
    overlaps = []
    with zipfile.ZipFile(folder / "gt.zip") as masks:
        for figure in truth.figures:
            name = figure.file.replace("figures/", "gt/")
            mask = np.asarray(Image.open(io.BytesIO(masks.read(name))).convert("L")) > 0
            drawn = np.zeros_like(mask)
            for x0, y0, x1, y1 in boxes(figure):
                assert x1 <= mask.shape[1] and y1 <= mask.shape[0], figure.file
                drawn[y0:y1, x0:x1] = True
            overlaps.append((mask & drawn).sum() / (mask | drawn).sum())
    assert (len(overlaps), sum(len(f.panels) for f in truth.figures)) == (303, 2843)
    assert min(overlaps) > 0.97


@pytest.mark.real_data
def test_real_annotations(shared_data: Path) -> None:
    truth = read_truth(shared_data / "figures" / "annotations.json")
    assert (len(truth.figures), sum(len(f.panels) for f in truth.figures)) == (93, 326)
    assert sum(p.label_box is not None for f in truth.figures for p in f.panels) == 293
    layouts = read_truth(shared_data / "layouts" / "zou_train.csv")
    assert (len(layouts.figures), sum(len(f.panels) for f in layouts.figures)) == (9642, 26916)


def changed(data: Any, *path: Any, value: Any) -> Any:
    """A copy of JSON data with one value replaced (or, with None, removed)."""
    copy = json.loads(json.dumps(data))
    target = copy
    for key in path[:-1]:
        target = target[key]
    if value is None:
        del target[path[-1]]
    else:
        target[path[-1]] = value
    return copy


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("[{", "line 1: not JSON"),
        ("[1]", "figure 1: 'file' is missing"),
        ("[]", "no figures"),
        (changed(ANNOTATIONS, 0, "panels", value=None), r"figure 1 \(images/art1__fig1.jpg\): 'panels'"),
        (changed(ANNOTATIONS, 0, "panels", 1, "box", value=None), "panel 2: 'box' is missing"),
        (
            changed(ANNOTATIONS, 0, "panels", 1, "box", value=[9, 0, 9, 5]),
            "panel 2, box: the box .* is empty",
        ),
        (changed(ANNOTATIONS, 0, "panels", 1, "box", value=[0, 0, 9]), "a box is"),
        (changed(ANNOTATIONS, 0, "panels", 1, "box", value="0123"), "a box is"),
        (
            changed(ANNOTATIONS, 0, "panels", 0, "alt_box", value=[0, 0, "x", 5]),
            "alt_box: 'x' is not a number",
        ),
        ('[{"file": "a", "panels": [{"box": [0, 0, NaN, 4]}]}]', "not a finite number"),
        ([ANNOTATIONS[1], ANNOTATIONS[1]], "'images/loose.png' is annotated twice"),
        ("{}", "'images' is missing"),
        (
            changed(COCO, "annotations", 1, "image_id", value=99),
            "annotation 2: there is no image with the id 99",
        ),
        (changed(COCO, "annotations", 1, "category_id", value=9), "annotation 2: there is no category"),
        (changed(COCO, "annotations", 1, "bbox", value=[0, 0, 0, 4]), "annotation 2: the bbox .* is empty"),
        (
            changed(
                changed(COCO, "annotations", 1, "bbox", value=None),
                "annotations",
                1,
                "segmentation",
                value=[],
            ),
            "annotation 2: .*segmentation alone is not read",
        ),
        (changed(COCO, "images", 1, "id", value=7), "image 2: the id 7 is given twice"),
        (changed(COCO, "images", 1, "file_name", value=None), "image 8: 'file_name' is missing"),
        ("<annotations><annotation>", "line 1: not well-formed"),
        ("<annotations>\n<annotation/></annotations>", "line 2: <annotation> has no <filename>"),
        (IMAGECLEF.replace('x="203"', 'x="two"'), "line 6: <object>, x: 'two' is not a number"),
        (IMAGECLEF.replace("<point", "<dot"), "line 5: <object>: needs the corners"),
        (VOC.format(name="a.jpg", low="", hard=0), "line 4: <object>, xmin: '' is not a number"),
        (VOC.format(name="a.jpg", low=70, hard=0), "line 4: <object>: the box .* is empty"),
        ("<html/>", "line 1: the root is <html>"),
        ("a.jpg,1,2,3,4,panel\nb.jpg,1,2\n", "line 2: expected path,x1"),
        (",1,2,3,4,panel\n", "line 1: the path is empty"),
        ("a.jpg,1,2,x,4,panel\n", "line 1: 'x' is not a number"),
        ("a.jpg,1,2,3,4,panel,1,1,,,A\n", "line 1, label box: '' is not a number"),
        ("hello", "not recognised; name the format with --truth-format"),
        (changed(SCIINT, "0001", "panels-location", "0", "x1", value=None), "figure '0001', panel '0': None"),
    ],
)
def test_malformed_input_is_named(tmp_path: Path, content: Any, told: str) -> None:
    path = write(tmp_path / "truth.any", content)
    with pytest.raises(UsageError, match=told) as caught:
        read_truth(path)
    assert "truth.any" in str(caught.value)


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("0 0.5 0.5 1", "line 2: expected 'class cx cy width height', got 4"),
        ("0 0.5 0.5 1 50", "line 2: shares of the image"),
        ("4 0.5 0.5 1 1", "line 2: there is no class 4"),
        ("x 0.5 0.5 1 1", "line 2: 'x' is not a number"),
    ],
)
def test_malformed_yolo_is_named(tmp_path: Path, line: str, told: str) -> None:
    Image.new("RGB", (20, 10)).save(tmp_path / "a.png")
    write(tmp_path / "classes.txt", "panel\n")
    write(tmp_path / "a.txt", f"0 0.5 0.5 1 1\n{line}\n")
    with pytest.raises(UsageError, match=told):
        read_truth(tmp_path, tmp_path)


def test_a_format_may_be_forced(tmp_path: Path) -> None:
    path = write(tmp_path / "t.json", ANNOTATIONS)
    with pytest.raises(UsageError, match="expected an object"):
        read_truth(path, format="coco")
    with pytest.raises(UsageError, match="there is no truth format 'x'"):
        read_truth(path, format="x")
    with pytest.raises(UsageError, match="no such file"):
        read_truth(tmp_path / "none.json")
    with pytest.raises(UsageError, match="a folder of VOC"):
        (tmp_path / "empty").mkdir()
        read_truth(tmp_path / "empty")
    assert format_of(path) in FORMATS


def test_an_xml_entity_is_not_followed(tmp_path: Path) -> None:
    secret = write(tmp_path / "secret.txt", "secret")
    bomb = f'<!DOCTYPE a [<!ENTITY e SYSTEM "{secret.as_uri()}">]>' + IMAGECLEF.partition("?>")[2].strip()
    path = write(tmp_path / "t.xml", bomb.replace("1297-9686-42-10-3", "&e;x"))
    with pytest.raises(UsageError, match="has no <filename>"):
        read_truth(path)


def test_images_are_found_with_or_without_extension(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    Image.new("RGB", (4, 4)).save(tmp_path / "images" / "a.1.png")
    folder = tmp_path / "images"
    assert (
        find_image(folder, "a.1.png") == find_image(folder, "a.1") == find_image(folder, "deep/down/a.1.png")
    )
    with pytest.raises(UsageError, match=r"no image '../images/a.1.png'"):
        find_image(folder / "x", "../images/a.1.png")
