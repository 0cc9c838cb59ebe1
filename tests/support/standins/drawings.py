"""What the generated articles are made of: the demo source's articles, with smaller images."""

from __future__ import annotations

import io
import re
import struct
from dataclasses import dataclass
from functools import lru_cache

DISTINCT = 40
"""Articles that are drawn; the others repeat them with ids and image bytes of their own."""
LONG_SIDE = 640


@dataclass(frozen=True)
class Drawing:
    """One article of the demo source: pieces of its XML, and its images as JPEG in order."""

    title: str
    front: str
    """Abstract and keywords."""
    body: str
    floats: str
    """The figures, their graphics' hrefs replaced by ``@G1@``, ``@G2@`` …"""
    jpegs: tuple[bytes, ...]


@lru_cache(maxsize=4 * DISTINCT)
def drawing(index: int, figures: int) -> Drawing:
    """Demo article ``index`` with so many figures; its images scaled down to ``LONG_SIDE``."""
    from pmcx.sources.demo.article import make_package

    package = make_package(index, seed=7, figures=figures)
    (xml,) = (data.decode() for name, data in package.items() if name.endswith(".nxml"))
    images = [data for name, data in package.items() if not name.endswith(".nxml")]
    floats = re.sub(
        r'<graphic [^>]*xlink:href="[^"]*-g0*(\d+)"/>', r'<graphic xlink:href="@G\1@" position="float"/>',
        _between(xml, "<floats-group>", "</floats-group>"),
    )  # fmt: skip
    return Drawing(
        title=_between(xml, "<article-title>", "</article-title>"),
        front=xml[xml.index("<abstract>") : xml.index("</article-meta>")],
        body=_between(xml, "<body>", "</body>"),
        floats=floats,
        jpegs=tuple(_smaller(image) for image in images),
    )


def _between(text: str, start: str, end: str) -> str:
    return text[text.index(start) + len(start) : text.index(end)]


def _smaller(image: bytes) -> bytes:
    from PIL import Image

    out = io.BytesIO()
    with Image.open(io.BytesIO(image)) as picture:
        picture.thumbnail((LONG_SIDE, LONG_SIDE))
        picture.convert("RGB").save(out, "JPEG", quality=80)
    return out.getvalue()


def own_jpeg(jpeg: bytes, owner: str) -> bytes:
    """The same picture with a comment segment, so that no two files of a bucket are equal."""
    comment = owner.encode()
    return jpeg[:2] + b"\xff\xfe" + struct.pack(">H", len(comment) + 2) + comment + jpeg[2:]


@lru_cache(maxsize=512)
def converted(jpeg: bytes, kind: str, scale: float = 1.0) -> bytes:
    """The picture in another format (``TIFF``, ``GIF``, ``PNG``), perhaps smaller."""
    from PIL import Image

    out = io.BytesIO()
    with Image.open(io.BytesIO(jpeg)) as picture:
        size = max(1, round(picture.width * scale)), max(1, round(picture.height * scale))
        resized = picture.resize(size)
        if kind == "TIFF":
            resized.save(out, kind, compression="tiff_lzw")
        else:
            resized.save(out, kind)
    return out.getvalue()
