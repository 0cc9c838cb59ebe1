"""A page of its own with the scores and the worst figures: truth red, predictions blue."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any

from .evaluation import Case, FigureScore, Prediction, load_figure
from .report import Evaluation, breakdown_table, cell, class_table, headline_table, legend, subset_table

SIDE = 640
"""Longer side of the embedded images, in pixels."""

_STYLE = """
body { font: 14px/1.45 system-ui, sans-serif; margin: 2rem auto; max-width: 88rem; padding: 0 1rem }
h1 { font-size: 1.4rem } h2 { font-size: 1.1rem; margin: 2rem 0 .5rem }
.wide { overflow-x: auto }
table { border-collapse: collapse } th, td { padding: .15rem .6rem; text-align: right; white-space: nowrap }
th:first-child, td:first-child { text-align: left } thead th { border-bottom: 1px solid #999 }
tbody tr:nth-child(even) { background: #f4f4f4 }
.legend { color: #555; margin: .2rem 0 } .true { color: #d00 } .found { color: #0050ff }
article { border-top: 1px solid #ccc; padding: .8rem 0 } h3 { font-size: .95rem; margin: 0; font-weight: 600 }
.note { color: #777; margin: 0 } .views { display: flex; flex-wrap: wrap; gap: 1rem }
figure { margin: .4rem 0; flex: 0 1 40rem } figcaption { font-size: .85rem; color: #444 }
svg { width: 100%; height: auto; max-height: 34rem; background: #ddd; overflow: visible }
svg.store { display: none }
rect { fill: none; vector-effect: non-scaling-stroke; pointer-events: all }
rect.true { stroke: #d00; stroke-width: 3 } rect.alt { stroke: #d00; stroke-width: 1; stroke-dasharray: 2 3 }
rect.found { stroke: #0050ff; stroke-width: 2; stroke-dasharray: 7 4 } rect:hover { fill: #ffd70033 }
"""


def write_page(
    path: Path, evaluation: Evaluation, data: dict[str, Any], images: Path, limit: int | None = None
) -> None:
    """Write the scores (``data`` of :func:`~pmcx.training.report.as_dict`) and the drawn figures to ``path``.

    Figures come worst first, by the lowest mean F1 (IoU .5-.95) of any contestant; ``limit`` keeps that
    many. The page needs no other file: images are scaled to ``SIDE`` pixels and embedded.
    """
    order = sorted(
        range(len(evaluation.cases)),
        key=lambda i: (
            min(scores[i].mean_f1 for scores in evaluation.scores),
            evaluation.cases[i].truth.file,
        ),
    )[:limit]
    with path.open("w", encoding="utf-8") as out:
        out.write(
            '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
            '<meta name="viewport" content="width=device-width, initial-scale=1">'
            f"<title>Detector scores</title><style>{_STYLE}</style></head><body>\n"
        )
        out.write(_summary(data))
        out.write(
            f"<h2>Figures, worst first ({len(order)} of {len(evaluation.cases)})</h2>"
            '<p class="legend"><span class="true">Truth red</span> (dotted: an equally right box), '
            '<span class="found">prediction blue, dashed</span>. Point at a box for its label or score.</p>\n'
        )
        for n in order:
            out.write(_figure(n, evaluation, images))
        out.write("</body></html>\n")


def _summary(data: dict[str, Any]) -> str:
    truth = data["truth"]
    names = " / ".join(each["name"] for each in data["contestants"])
    parts = [
        f"<h1>{escape(names)}: {truth['figures']} figures, {truth['panels']} panels, "
        f"{data['convention']} boxes</h1>",
        _table(*subset_table(data)),
        "<h2>Headline, with 95 % intervals</h2>" if data["bootstrap"]["rounds"] else "<h2>Headline</h2>",
        _table(*headline_table(data)),
        *(f"<h2>By {by}</h2>{_table(*breakdown_table(data, by))}" for by in ("layout", "panels")),
        "<h2>Recall by class of the true panel</h2>",
        _table(*class_table(data)),
    ]
    parts += [f'<p class="legend">{escape(line)}</p>' for line in legend(data)]
    return "\n".join(parts)


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    head = "".join(f"<th>{escape(h)}</th>" for h in heads)
    body = "".join(f"<tr>{''.join(f'<td>{escape(c)}</td>' for c in row)}</tr>" for row in rows)
    return f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def _figure(n: int, e: Evaluation, images: Path) -> str:
    """One figure: the image once, and a drawing of it for each contestant."""
    case = e.cases[n]
    image = load_figure(case.truth, images).image
    image.thumbnail((SIDE, SIDE))
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=80)
    data = base64.b64encode(buffer.getvalue()).decode()
    views = "".join(
        _view(n, case, contestant.name, contestant.predictions[n], scores[n])
        for contestant, scores in zip(e.contestants, e.scores, strict=True)
    )
    doubt = f'<p class="note">in doubt: {escape(case.truth.doubt)}</p>' if case.truth.doubt else ""
    return (
        f"<article><h3>{escape(case.truth.file)} · {case.width}x{case.height} · {case.layout}, "
        f"{'1 panel' if len(case.panels) == 1 else f'{len(case.panels)} panels'}</h3>{doubt}"
        f'<svg class="store"><symbol id="i{n}" viewBox="0 0 {case.width} {case.height}">'
        f'<image width="{case.width}" height="{case.height}" preserveAspectRatio="none" '
        f'href="data:image/jpeg;base64,{data}"/></symbol></svg>'
        f'<div class="views">{views}</div></article>\n'
    )


def _view(n: int, case: Case, name: str, prediction: Prediction, score: FigureScore) -> str:
    boxes = []
    for panel, offered in zip(case.truth.panels, case.panels, strict=True):
        told = " ".join(part for part in (panel.label, panel.category) if part) or "panel"
        for kind, box in zip(["true", *["alt"] * (len(offered) - 1)], offered, strict=True):
            boxes.append(_rect(box, kind, told))
    boxes += [_rect(box, "found", cell(value)) for box, value in prediction.boxes]
    what = "nothing found: whole figure" if prediction.fallback else f"{len(prediction.boxes)} found"
    return (
        f'<figure><svg viewBox="0 0 {case.width} {case.height}"><use href="#i{n}" width="{case.width}" '
        f'height="{case.height}"/>{"".join(boxes)}</svg><figcaption>{escape(name)}: F1@.5 {cell(score.f1)}, '
        f"mF1 {cell(score.mean_f1)}, CLEF {cell(score.clef)}; {escape(prediction.error or what)}"
        "</figcaption></figure>"
    )


def _rect(box: tuple[int, int, int, int], kind: str, told: str) -> str:
    x0, y0, x1, y1 = box
    return (
        f'<rect class="{kind}" x="{x0}" y="{y0}" width="{x1 - x0}" height="{y1 - y0}">'
        f"<title>{escape(told)}</title></rect>"
    )
