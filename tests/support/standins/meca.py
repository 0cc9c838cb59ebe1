"""Generated MECA archives and the buckets of bioRxiv and medRxiv that hold them."""

from __future__ import annotations

import hashlib
import io
import uuid
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date as Date
from xml.sax.saxutils import escape

from .drawings import DISTINCT, converted, drawing
from .pmc import LICENSE_URLS
from .s3 import S3StandIn

MECA_TRAPS = (
    "nested-root", "back-slashes", "no-mimetype", "mimetype-first", "no-directives", "www-namespace",
    "bare-amp", "nbsp", "declaration-late", "glued-attributes", "zip-slip", "item-without-file",
    "file-without-item", "macosx", "jpg-images", "no-manifest", "no-xml", "truncated", "stored",
)  # fmt: skip
"""What ``meca_archive`` does on request; :class:`MecaBucket` adds ``duplicate`` and ``month-end``.

``www-namespace`` swaps the namespaces of manifest.xml (without ``www``) and transfer.xml (with);
``item-without-file`` adds a figure to manifest and XML whose file is absent; ``file-without-item`` takes
the last figure's item out of the manifest.
"""
MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October",
    "November", "December",
)  # fmt: skip
PLAIN, WWW = "http://manuscriptexchange.org", "http://www.manuscriptexchange.org"
OLD_PREFIX, NEW_PREFIX = "10.1101", "10.64898"


@dataclass
class MecaArchive:
    """One archive: its bytes, and what a run must make of it."""

    doi: str
    version: int
    data: bytes
    figures: dict[str, str]
    """Figure id -> member that shows it, "" where the figure is lost."""
    uuid: str = ""
    key: str = ""
    traps: tuple[str, ...] = ()
    images: dict[str, bytes] = field(default_factory=dict)
    """Member -> bytes."""


def meca_archive(doi: str, version: int = 1, traps: Iterable[str] = (), **options: object) -> bytes:
    """The bytes of :func:`make_meca`."""
    return make_meca(doi, version, traps, **options).data  # type: ignore[arg-type]


def make_meca(
    doi: str,
    version: int = 1,
    traps: Iterable[str] = (),
    *,
    server: str = "biorxiv",
    date: str = "2026-01-14",
    license: str | None = "CC BY",
    figures: int = 2,
    size: float = 0.6,
) -> MecaArchive:
    """An archive as HighWire makes them: manifest, transfer, directives, ``content/`` with XML and TIFFs.

    ``size`` scales the images. Members are in the order of the real sample: content first, a bare
    ``content/`` entry late, mimetype after the XML files.
    """
    traps = tuple(traps)
    unknown = set(traps) - set(MECA_TRAPS) - {"duplicate", "month-end"}
    if unknown:
        raise ValueError(f"unknown traps: {sorted(unknown)}")
    number = int(hashlib.sha256(doi.encode()).hexdigest()[:8], 16)
    last = doi.rpartition(".")[2]
    suffix = ".jpg" if "jpg-images" in traps else ".tif"
    base = drawing(number % DISTINCT, figures)
    names = [f"{last}v{version}_fig{k}{suffix}" for k in range(1, figures + 1)]
    images = {
        name: jpeg if suffix == ".jpg" else converted(jpeg, "TIFF", size)
        for name, jpeg in zip(names, base.jpegs, strict=True)
    }
    listed = list(names)
    if "item-without-file" in traps:
        listed.append(f"{last}v{version}_fig{figures + 1}{suffix}")
    if "file-without-item" in traps:
        listed.pop(len(names) - 1)
    shown = names + [name for name in listed if name not in names]
    xml = _article_xml(doi, version, server, date, license, base.title, base.body, base.floats, shown)
    archive_id = str(uuid.uuid5(uuid.NAMESPACE_URL, f"https://doi.org/{doi}v{version}"))
    members = {f"content/{last}.xml": _defects(xml, traps), f"content/{last}.pdf": b"%PDF-1.4\n%%EOF\n"}
    members |= {f"content/{name}": data for name, data in images.items()}
    members["content/"] = b""
    if "no-directives" not in traps:
        members["directives.xml"] = _directives(server)
    if "no-manifest" not in traps:
        members["manifest.xml"] = _manifest(last, version, base.title, shown, listed, traps)
    if "no-mimetype" not in traps:
        members["mimetype"] = b"application/meca+zip"
    members["transfer.xml"] = _transfer(doi, server, date, archive_id, traps)
    members = _arranged(members, traps, last)
    data = _zip(members, "stored" in traps)
    if "truncated" in traps:
        data = data[: len(data) // 2]
    root = f"{last}/" if "nested-root" in traps else ""
    reads = {f"fig{k}": f"{root}content/{name}" if name in images else "" for k, name in enumerate(shown, 1)}
    return MecaArchive(
        doi, version, data, reads, archive_id, traps=traps,
        images={f"{root}content/{name}": image for name, image in images.items()},
    )  # fmt: skip


def _arranged(members: dict[str, bytes], traps: tuple[str, ...], last: str) -> dict[str, bytes]:
    if "no-xml" in traps:
        members = {name: data for name, data in members.items() if name != f"content/{last}.xml"}
    if "mimetype-first" in traps:
        members = {"mimetype": members["mimetype"], **members}
    if "nested-root" in traps:
        members = {f"{last}/{name}": data for name, data in members.items()}
    if "zip-slip" in traps:
        members["../../outside.tif"] = b"II*\0 outside"
        members["/absolute.tif"] = b"II*\0 absolute"
    if "macosx" in traps:
        members[f"__MACOSX/content/._{last}.xml"] = b"\x00\x05\x16\x07Mac OS X        "
        members[f"__MACOSX/content/._{last}v1_fig1.tif"] = b"\x00\x05\x16\x07Mac OS X        "
        members["content/.DS_Store"] = b"\x00\x00\x00\x01Bud1"
    return members


def _zip(members: dict[str, bytes], stored: bool) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, data in members.items():
            info = zipfile.ZipInfo(name, (2026, 1, 14, 12, 0, 0))
            plain = stored or name.endswith(("mimetype", "/"))
            info.compress_type = zipfile.ZIP_STORED if plain else zipfile.ZIP_DEFLATED
            archive.writestr(info, data)
    return out.getvalue()


def _article_xml(
    doi: str, version: int, server: str, date: str, license: str | None, title: str, body: str, floats: str,
    shown: list[str],
) -> bytes:  # fmt: skip
    year, month, day = date.split("-")
    name = {"biorxiv": "bioRxiv", "medrxiv": "medRxiv"}[server]
    for k in range(len(shown), 0, -1):
        floats = floats.replace(f"@G{k}@", shown[k - 1])
        for text in ('id="F{}"', 'rid="F{}"'):
            new = text.replace("F{}", f"fig{k}")
            floats, body = floats.replace(text.format(k), new), body.replace(text.format(k), new)
        if f'id="fig{k}"' not in floats:
            floats += (
                f'<fig id="fig{k}" position="float"><label>Figure {k}.</label>'
                f'<caption><p>Not in the archive.</p></caption><graphic xlink:href="{shown[k - 1]}"/></fig>'
            )
    terms = ""
    if license in LICENSE_URLS:
        url = LICENSE_URLS[license]
        terms = (
            f'<license license-type="open-access" xlink:href="{url}"><license-p>This pre-print is available'
            f' under a Creative Commons License, {license} 4.0, as described at <ext-link ext-link-type="uri"'
            f' xlink:href="{url}">{url}</ext-link></license-p></license>'
        )
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE article PUBLIC "-//NLM//DTD JATS (Z39.96) Journal Archiving and Interchange DTD v1.3 20210610//EN" "JATS-archivearticle1-mathml3.dtd">
<article xmlns:mml="http://www.w3.org/1998/Math/MathML" xmlns:xlink="http://www.w3.org/1999/xlink" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xmlns:ali="http://www.niso.org/schemas/ali/1.0/" article-type="research-article" dtd-version="1.3" xml:lang="en">
<front>
<journal-meta>
<journal-id journal-id-type="publisher-id">{name.upper()}</journal-id>
<journal-title-group><journal-title>{name}</journal-title></journal-title-group>
<publisher><publisher-name>Cold Spring Harbor Laboratory</publisher-name></publisher>
</journal-meta>
<article-meta>
<article-id pub-id-type="doi">{doi}</article-id>
<article-version>1.{version}</article-version>
<article-categories><subj-group subj-group-type="hwp-journal-coll"><subject>Cell Biology</subject></subj-group></article-categories>
<title-group><article-title>{title}</article-title></title-group>
<contrib-group><contrib contrib-type="author"><name><surname>Example</surname><given-names>Ada</given-names></name></contrib></contrib-group>
<pub-date pub-type="epub"><day>{int(day)}</day><month>{int(month)}</month><year>{year}</year></pub-date>
<elocation-id>{doi.partition("/")[2]}</elocation-id>
<permissions><copyright-statement>© {year}, Posted by Cold Spring Harbor Laboratory</copyright-statement>{terms}</permissions>
</article-meta>
</front>
<body>{body}</body>
<floats-group>{floats}</floats-group>
</article>
""".encode()  # noqa: E501


def _defects(xml: bytes, traps: tuple[str, ...]) -> bytes:
    """The XML with the defects that readers of the archives report."""
    end = b"</article-title>"
    if "bare-amp" in traps:
        xml = xml.replace(end, b" in R&D" + end, 1)
    if "nbsp" in traps:
        xml = xml.replace(end, b"&nbsp;of mice" + end, 1)
    if "glued-attributes" in traps:
        xml = xml.replace(b'" position="float"', b'"position="float"')
    if "declaration-late" in traps:
        xml = b"\n\n" + xml
    return xml


def _manifest(
    last: str, version: int, title: str, shown: list[str], listed: list[str], traps: tuple[str, ...]
) -> bytes:
    space = WWW if "www-namespace" in traps else PLAIN
    kind = "image/jpeg" if "jpg-images" in traps else "image/tiff"
    lines = [
        '<?xml version="1.0" encoding="UTF-8" standalone="no"?>',
        '<!DOCTYPE manifest SYSTEM "http://schema.highwire.org/public/MECA/v0.9/Manifest/Manifest.dtd">',
        f'<manifest xmlns="{space}" version="1.0">',
        f'<item type="article" id="{last}v{version}">',
        f"<title>{escape(title)}</title>",
        f'<instance media-type="application/xml" href="content/{last}.xml"/>',
        f'<instance media-type="application/pdf" href="content/{last}.pdf"/>',
        "</item>",
    ]
    if "no-directives" not in traps:
        lines += [
            '<item id="directives" type="x-hw-directives">',
            "<title>HWX Processing Directives</title>",
            '<instance media-type="application/vnd.hw-ingest-pi+xml" href="directives.xml"/>',
            "</item>",
        ]
    lines += [
        '<item id="transfer" type="transfer-details">',
        "<title>MECA Transfer Info</title>",
        '<instance media-type="application/meca-xfer+xml" href="transfer.xml"/>',
        "</item>",
    ]
    for k, name in enumerate(shown, 1):
        if name in listed:
            lines += [
                f'<item id="fig{k}" type="figure">',
                f"<title>Figure {k}</title>",
                f'<instance media-type="{kind}" href="content/{name}"/>',
                "</item>",
            ]
    text = "\n".join([*lines, "</manifest>\n"])
    if "back-slashes" in traps:
        text = text.replace('href="content/', 'href="content\\')
    return text.encode()


def _transfer(doi: str, server: str, date: str, archive_id: str, traps: tuple[str, ...]) -> bytes:
    space = PLAIN if "www-namespace" in traps else WWW
    name = {"biorxiv": "bioRxiv", "medrxiv": "medRxiv"}[server]
    reference = f"/{server}/early/{date.replace('-', '/')}/{doi.partition('/')[2]}.atom"
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE transfer SYSTEM "http://schema.highwire.org/public/MECA/v0.9/Transfer/Transfer.dtd">
<transfer xmlns="{space}" version="1.0" id="{archive_id}" reference="{reference}">
<source><service-provider><id>TechSet</id></service-provider></source>
<destination><service-provider><id>HighWire eXpress</id></service-provider>
<publication type="preprint-server"><title>{name}</title><acronym>{name}</acronym></publication>
</destination>
</transfer>
""".encode()


def _directives(server: str) -> bytes:
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE directives PUBLIC "-//HIGHWIRE//DTD HighWire Directives DTD//EN" "http://schema.highwire.org/public/hwx/directives/directives.dtd">
<directives>
<pap>
<sitecode>{server}</sitecode>
<batch action="close"/>
</pap>
</directives>
""".encode()


class MecaBucket:
    """A bucket like ``biorxiv-src-monthly`` (requester pays), and what a run over it must yield."""

    def __init__(
        self, standin: S3StandIn, bucket: str = "biorxiv-src-monthly", server: str = "biorxiv"
    ) -> None:
        self.standin, self.bucket, self.server = standin, bucket, server
        self.archives: list[MecaArchive] = []
        standin.requester_pays(bucket)

    def add(
        self,
        doi: str,
        version: int = 1,
        month: str = "January_2026",
        traps: Iterable[str] = (),
        date: str = "",
        license: str | None = "CC BY",
        figures: int = 2,
    ) -> MecaArchive:
        """Add one archive, uploaded on ``date`` (default: the 14th of the month).

        ``duplicate`` puts a second, later archive of the same DOI and version beside it, whose images
        differ; ``month-end`` dates the archive the last day of its month and puts it into the folder of
        the next. Answers the archive that counts. A folder other than a month (``Back_Content/Batch_01``)
        is taken as it is.
        """
        traps = tuple(traps)
        day = date or ("2018-11-14" if "/" in month else f"{month_start(month)[:8]}14")
        folder = month if "/" in month else f"Current_Content/{month}"
        if "month-end" in traps:
            day, folder = month_end(month), f"Current_Content/{next_month(month)}"
        archive = make_meca(
            doi, version, traps, server=self.server, date=day, license=license, figures=figures
        )
        self._put(archive, folder, day, "03:00:00")
        if "duplicate" in traps:
            later = make_meca(
                doi, version, traps, server=self.server, date=day, license=license, figures=figures, size=0.5
            )
            later.uuid = str(uuid.uuid5(uuid.NAMESPACE_URL, f"{archive.uuid}/again"))
            self._put(later, folder, day, "09:00:00")
            self.archives.remove(archive)
            return later
        return archive

    def fill(self, count: int, month: str = "January_2026", start: int = 700_001) -> list[str]:
        """Add ``count`` sound archives, half of them under each DOI prefix; answers the DOIs."""
        dois = []
        for n in range(start, start + count):
            prefix = NEW_PREFIX if n % 2 else OLD_PREFIX
            dois.append(f"{prefix}/{month_start(month)[:7].replace('-', '.')}.14.{n}")
            self.add(dois[-1], month=month)
        return dois

    def _put(self, archive: MecaArchive, folder: str, day: str, time: str) -> None:
        archive.key = f"{folder}/{archive.uuid}.meca"
        self.standin.put(self.bucket, archive.key, archive.data, f"{day}T{time}Z")
        self.archives.append(archive)

    @property
    def truth(self) -> dict[str, dict[str, str]]:
        """DOI + ``v`` + version -> figure id -> member that shows it ("" where lost); newest versions."""
        newest: dict[str, MecaArchive] = {}
        for archive in self.archives:
            other = newest.get(archive.doi)
            if other is None or archive.version > other.version:
                newest[archive.doi] = archive
        readable = [each for each in newest.values() if not {"no-xml", "truncated"} & set(each.traps)]
        return {f"{each.doi}v{each.version}": dict(each.figures) for each in readable}


def month_start(month: str) -> str:
    """``January_2026`` -> ``2026-01-01``."""
    name, _, year = month.partition("_")
    return f"{year}-{MONTHS.index(name) + 1:02d}-01"


def next_month(month: str) -> str:
    """``December_2025`` -> ``January_2026``."""
    name, _, year = month.partition("_")
    at = MONTHS.index(name) + 1
    return f"{MONTHS[at % 12]}_{int(year) + at // 12}"


def month_end(month: str) -> str:
    """``January_2026`` -> ``2026-01-31``."""
    following = Date.fromisoformat(month_start(next_month(month)))
    return Date.fromordinal(following.toordinal() - 1).isoformat()
