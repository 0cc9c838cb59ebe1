"""Articles with one oddity each, as PubMed Central's bucket has them or a hostile one could."""

from __future__ import annotations

import io
import re
import struct
import zlib
from collections.abc import Callable

from .drawings import converted
from .http import PAGE
from .pmc import BUCKET, PmcArticle, pmc_article, retracted

Maker = Callable[[int], list[PmcArticle]]


def pmc_trap(name: str, n: int = 0) -> list[PmcArticle]:
    """The article or articles of a trap (see ``PMC_TRAPS``), numbered from ``n`` (default: its own)."""
    return PMC_TRAPS[name](n or 20_000_000 + 100 * list(PMC_TRAPS).index(name))


# -- articles -------------------------------------------------------------------------------------


def _one(reason: str, *, media: bool = True, **options: object) -> Maker:
    """One article with these options, left out for ``reason`` (taken, where that is empty)."""

    def make(n: int) -> list[PmcArticle]:
        article = pmc_article(n, **options)  # type: ignore[arg-type]
        article.left_out = reason
        if not media:
            _without_media(article)
            article.state()
            article.metadata.pop("pdf_url", None)
        return [article]

    return make


def _without_media(article: PmcArticle) -> PmcArticle:
    article.media.clear()
    article.figures = dict.fromkeys(article.figures, "")
    return article


def _tdm(n: int) -> list[PmcArticle]:
    """An author manuscript: text mining only, without PDF, media and most keys (as PMC10373475.1)."""
    article = pmc_article(n, license="TDM", is_pmc_openaccess=False, is_manuscript=True)
    _without_media(article).state()
    for key in ("pdf_url", "media_urls", "pmid", "doi", "title", "citation", "is_retracted", "mid"):
        article.metadata.pop(key, None)
    article.left_out = "manuscript"
    return [article]


def _no_media_urls(n: int) -> list[PmcArticle]:
    """The key ``media_urls`` is absent; the files are there, under the names that the XML states."""
    article = pmc_article(n)
    del article.metadata["media_urls"]
    return [article]


def _versions(n: int) -> list[PmcArticle]:
    made = []
    for version in (1, 2, 10):
        article = pmc_article(n, version=version)
        article.xml = article.xml.replace(b"</article-title>", f" (v{version})</article-title>".encode(), 1)
        made.append(article.state())
    return made


def _prefix_clash(n: int) -> list[PmcArticle]:
    return [pmc_article(77), pmc_article(777), pmc_article(7777, version=2)]


def _latest_ineligible(n: int) -> list[PmcArticle]:
    """Version 1 may be used, version 2 is not open access: the article is left out."""
    latest = pmc_article(n, version=2, is_pmc_openaccess=False)
    latest.left_out = "not-open-access"
    return [pmc_article(n), latest]


def _edited(old: str, new: str, count: int = 1) -> Maker:
    """One article whose XML is edited (a regular expression and its replacement)."""

    def make(n: int) -> list[PmcArticle]:
        article = pmc_article(n)
        edited, made = re.subn(old, new, article.xml.decode(), count=count, flags=re.DOTALL)
        assert made, old
        article.xml = edited.encode()
        return [article.state()]

    return make


def _no_body(n: int) -> list[PmcArticle]:
    (article,) = _edited(r"<body>.*</floats-group>", "")(n)
    article.figures = {}
    return [article]


# -- media ----------------------------------------------------------------------------------------


def _media(hrefs: dict[str, str], kind: str = "JPEG", more: dict[str, str] | None = None) -> Maker:
    """One article with these hrefs; each shown by the file it maps to ("" for none, not in the bucket).

    ``more`` are files beside them, by name and format.
    """

    def make(n: int) -> list[PmcArticle]:
        article = pmc_article(n, len(hrefs), hrefs=hrefs)
        jpegs = dict(zip(hrefs, list(article.media.values()), strict=False))
        article.media = {file: _as(jpegs[href], kind) for href, file in hrefs.items() if file}
        article.media |= {file: _as(next(iter(jpegs.values())), kind) for file, kind in (more or {}).items()}
        article.figures = {f"F{k}": file for k, file in enumerate(hrefs.values(), 1)}
        return [article.state()]

    return make


def _as(jpeg: bytes, kind: str) -> bytes:
    return jpeg if kind == "JPEG" else converted(jpeg, kind)


def _alternatives(n: int) -> list[PmcArticle]:
    """Each figure as a JPEG and a GIF thumbnail inside ``alternatives``."""
    article = pmc_article(n)
    for name in [name for name in article.media if name.endswith(".jpg")]:
        gif = name.replace(".jpg", ".gif")
        article.media[gif] = converted(article.media[name], "GIF", 0.2)
        pair = (
            f'<alternatives><graphic xlink:href="{gif}"/>'
            f'<graphic xlink:href="{name}" position="float"/></alternatives>'
        )
        article.xml = article.xml.replace(
            f'<graphic xlink:href="{name}" position="float"/>'.encode(), pair.encode()
        )
    return [article.state()]


def _vector_only(n: int) -> list[PmcArticle]:
    article = _media({"f1.jpg": "f1.jpg", "f2.eps": "f2.eps", "f3.svg": "f3.svg"})(n)[0]
    article.media["f2.eps"] = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\nshowpage\n%%EOF\n"
    article.media["f3.svg"] = b'<svg xmlns="http://www.w3.org/2000/svg" width="10" height="10"/>'
    article.figures |= {"F2": "", "F3": ""}
    return [article.state()]


def _missing_file(n: int) -> list[PmcArticle]:
    """F1's file is named in the metadata, but not in the bucket; F2's is neither."""
    article = pmc_article(n)
    article.missing = {article.figures["F1"]}
    del article.media[article.figures["F2"]]
    article.figures |= {"F1": "", "F2": ""}
    return [article.state()]


def _wrong_md5(n: int) -> list[PmcArticle]:
    article = pmc_article(n)
    wanted = article.figures["F1"]
    article.metadata["media_urls"] = [
        re.sub(r"md5=.*", f"md5={'0' * 32}", url) if f"/{wanted}?" in url else url
        for url in article.metadata["media_urls"]
    ]
    article.figures["F1"] = ""
    return [article]


def _no_md5(n: int) -> list[PmcArticle]:
    article = pmc_article(n)
    article.metadata["media_urls"] = [url.partition("?")[0] for url in article.metadata["media_urls"]]
    return [article]


def _bytes_of_first(data: Callable[[bytes], bytes]) -> Maker:
    """The file of F1 holds something that is no picture, with the checksum of just that."""

    def make(n: int) -> list[PmcArticle]:
        article = pmc_article(n)
        name = article.figures["F1"]
        article.media[name] = data(article.media[name])
        article.figures["F1"] = ""
        return [article.state()]

    return make


def _bomb(_: bytes) -> bytes:
    """A PNG of 60,000 x 60,000 pixels in a few hundred bytes: its header promises what never comes."""
    out = io.BytesIO(b"\x89PNG\r\n\x1a\n")
    out.seek(0, io.SEEK_END)
    for kind, data in (
        (b"IHDR", struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)),
        (b"IDAT", zlib.compress(bytes(100_000))),
        (b"IEND", b""),
    ):
        out.write(struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)))
    return out.getvalue()


def _hostile_names(n: int) -> list[PmcArticle]:
    """Only F1's file is the article's own; the addresses of the others lead out of its folder.

    There are sound pictures with the right checksums where they lead: who follows gets a figure too many.
    """
    hrefs = (
        "good.jpg",
        "up.jpg",
        "back.jpg",
        "drive.jpg",
        "other.jpg",
        "absolute.jpg",
        "clash.jpg",
        "deep.jpg",
    )
    article = pmc_article(n, len(hrefs), hrefs=hrefs, supplements=0)
    files, article.media = article.media, {"good.jpg": article.media["good.jpg"]}
    article.state()
    name, longer = article.name, f"{article.pmcid}7.1"
    places = {
        "up.jpg": (BUCKET, f"{name}/../up.jpg", (BUCKET, "up.jpg")),
        "back.jpg": (BUCKET, f"{name}/..\\back.jpg", (BUCKET, f"{name}/..\\back.jpg")),
        "drive.jpg": (BUCKET, f"{name}/C:\\drive.jpg", (BUCKET, f"{name}/C:\\drive.jpg")),
        "other.jpg": ("other-bucket", f"{name}/other.jpg", ("other-bucket", f"{name}/other.jpg")),
        "absolute.jpg": (BUCKET, "/absolute.jpg", (BUCKET, "absolute.jpg")),
        "clash.jpg": (BUCKET, f"{longer}/clash.jpg", (BUCKET, f"{longer}/clash.jpg")),
        "deep.jpg": (BUCKET, f"{name}/sub/deep.jpg", (BUCKET, f"{name}/sub/deep.jpg")),
    }
    for file, (bucket, key, decoy) in places.items():
        digest = article.url(file, files[file]).rpartition("=")[2]
        article.metadata["media_urls"].append(f"s3://{bucket}/{key}?md5={digest}")
        article.decoys[decoy] = files[file]
        article.figures[_figure_of(article, file)] = ""
    article.metadata["media_urls"] += ["https://example.org/evil.jpg", "file:///etc/passwd", "s3://", ""]
    return [article]


def _figure_of(article: PmcArticle, file: str) -> str:
    return next(figure for figure, name in article.figures.items() if name == file)


def _shared_file(n: int) -> list[PmcArticle]:
    """F1 and F2 show the same file."""
    article = pmc_article(n)
    first, second = article.figures["F1"], article.figures["F2"]
    article.xml = article.xml.replace(f'xlink:href="{second}"'.encode(), f'xlink:href="{first}"'.encode())
    del article.media[second]
    article.figures["F2"] = first
    return [article.state()]


def _multipart(n: int) -> list[PmcArticle]:
    article = pmc_article(n)
    article.parts = 2
    return [article]


def _damaged_xml(n: int) -> list[PmcArticle]:
    """The XML file is an error page, with the checksum of just that: the article is lost for good."""
    article = pmc_article(n)
    article.xml = PAGE
    article.left_out = "damaged-xml"
    return [article.state()]


PMC_TRAPS: dict[str, Maker] = {
    "by-nc-nd": _one("", license="CC BY-NC-ND"),
    "cc0": _one("", license="CC0"),
    "tdm": _tdm,
    "manuscript": _one("manuscript", is_manuscript=True),
    "retracted": lambda n: [retracted(pmc_article(n))],
    "null-licence": _one("not-open-access", license=None, is_pmc_openaccess=False),
    "ocr": _one("ocr", media=False, is_historical_ocr=True, doi=None),
    "notice": _one("article-type", article_type="correction"),
    "licence-disagrees": _one("", license="CC BY", xml_license="CC BY-NC"),
    "not-open-access": _one("not-open-access", is_pmc_openaccess=False),
    "no-media-urls": _no_media_urls,
    "347-media": _one("", supplements=344),
    "versions-1-2-10": _versions,
    "latest-ineligible": _latest_ineligible,
    "prefix-clash": _prefix_clash,
    "no-body": _no_body,
    "default-namespace": _edited("<article ", '<article xmlns="https://jats.nlm.nih.gov/ns/archiving/1.4/" '),
    "entity": _edited("</article-title>", "&nbsp;&external;</article-title>"),
    "damaged-xml": _damaged_xml,
    "hostile-names": _hostile_names,
    "extensionless": _media({"ex-g001": "ex-g001.jpg", "ex-g002": "ex-g002"}),
    "dotted-stem": _media({
        "pone.0170679.g001": "pone.0170679.g001.jpg", "pone.0170679.g002.jpg": "pone.0170679.g002.jpg"
    }),
    "upper-case-extension": _media({"FIG1.JPG": "FIG1.JPG", "fig2.jpg": "fig2.JPG", "FIG3.TIF": "fig3.jpg"}),
    "jpg-gif-alternatives": _alternatives,
    "gif-only": _media({"g1.gif": "g1.gif", "g2": "g2.gif"}, "GIF"),
    "tif-only": _media({"t1.tif": "t1.tif", "t2.tiff": "t2.tiff"}, "TIFF"),
    "vector-only": _vector_only,
    "missing-file": _missing_file,
    "wrong-md5": _wrong_md5,
    "no-md5": _no_md5,
    "zero-bytes": _bytes_of_first(lambda data: b""),
    "html-as-jpg": _bytes_of_first(lambda data: PAGE),
    "truncated-jpg": _bytes_of_first(lambda data: data[:200]),
    "bomb": _bytes_of_first(_bomb),
    "odd-names": _media({name: name for name in ("fig 1.jpg", "fig%202.jpg", "fig+3.jpg", "figé4.jpg")}),
    "case-twins": _media({"Fig1.jpg": "Fig1.jpg", "fig1.jpg": "fig1.jpg"}),
    "shared-file": _shared_file,
    "multipart-etag": _multipart,
}  # fmt: skip
"""Trap -> maker. What a run must make of each is in the articles' ``figures`` and ``left_out``."""
