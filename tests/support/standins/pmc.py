"""Generated articles in the form in which PubMed Central's bucket holds them since 2026."""

from __future__ import annotations

import copy
import csv
import gzip
import hashlib
import io
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Any

from .drawings import DISTINCT, drawing, own_jpeg
from .s3 import S3StandIn

BUCKET = "pmc-oa-opendata"
LICENSE_URLS = {
    "CC0": "https://creativecommons.org/publicdomain/zero/1.0/",
    "CC BY": "https://creativecommons.org/licenses/by/4.0/",
    "CC BY-SA": "https://creativecommons.org/licenses/by-sa/4.0/",
    "CC BY-ND": "https://creativecommons.org/licenses/by-nd/4.0/",
    "CC BY-NC": "https://creativecommons.org/licenses/by-nc/4.0/",
    "CC BY-NC-SA": "https://creativecommons.org/licenses/by-nc-sa/4.0/",
    "CC BY-NC-ND": "https://creativecommons.org/licenses/by-nc-nd/4.0/",
}


@dataclass
class PmcArticle:
    """One article version as its objects in the bucket, and what a run must make of it."""

    pmcid: str
    version: int
    xml: bytes
    media: dict[str, bytes]
    """Figures and supplements by name; a name without bytes is named in the metadata but absent."""
    metadata: dict[str, Any]
    figures: dict[str, str]
    """Figure id -> the file whose bytes a run reads for it; "" where it must be reported as lost."""
    left_out: str = ""
    """Why a run with default options leaves the article out; "" where it takes it."""
    date: str = "2026-01-15"
    decoys: dict[tuple[str, str], bytes] = field(default_factory=dict)
    """Objects (bucket, key) that hostile names point to: nobody may ask for them."""
    missing: set[str] = field(default_factory=set)
    """Media that the metadata name and the bucket has not."""
    parts: int = 1
    """More than one: the objects came by multipart upload, their ETags are no checksums."""

    @property
    def name(self) -> str:
        """``PMCn.v``: the prefix of its keys."""
        return f"{self.pmcid}.{self.version}"

    def url(self, file: str, data: bytes, bucket: str = BUCKET) -> str:
        return f"s3://{bucket}/{self.name}/{file}?md5={hashlib.md5(data).hexdigest()}"

    def state(self) -> PmcArticle:
        """Write the addresses and checksums of the files as they are now into the metadata."""
        self.metadata["xml_url"] = self.url(f"{self.name}.xml", self.xml)
        self.metadata["text_url"] = self.url(f"{self.name}.txt", self.text)
        if self.media or self.metadata.get("license_code") not in ("TDM", None):
            self.metadata["pdf_url"] = self.url(f"{self.name}.pdf", self.pdf)
        self.metadata["media_urls"] = [self.url(name, data) for name, data in self.media.items()]
        return self

    @property
    def text(self) -> bytes:
        return f"ARTICLE INFORMATION\n{'=' * 30}\nPMCID: {self.pmcid}\n".encode()

    @property
    def pdf(self) -> bytes:
        return f"%PDF-1.4\n% {self.name}\n%%EOF\n".encode()

    def json(self) -> bytes:
        return json.dumps(self.metadata, ensure_ascii=False).encode()

    def objects(self) -> dict[str, bytes]:
        """All objects of the article by key."""
        found = {
            f"metadata/{self.name}.json": self.json(),
            f"{self.name}/{self.name}.json": self.json(),
            f"{self.name}/{self.name}.xml": self.xml,
            f"{self.name}/{self.name}.txt": self.text,
        }
        if "pdf_url" in self.metadata:
            found[f"{self.name}/{self.name}.pdf"] = self.pdf
        for name, data in self.media.items():
            if name not in self.missing:
                found[f"{self.name}/{name}"] = data
        return found


def pmc_article(
    n: int,
    figures: int = 3,
    *,
    version: int = 1,
    license: str | None = "CC BY",
    xml_license: str | None = "",
    date: str = "2026-01-15",
    hrefs: Iterable[str] = (),
    article_type: str = "research-article",
    supplements: int = 1,
    **metadata: Any,
) -> PmcArticle:
    """Article ``PMC<n>``: XML in NCBI's rendition of 2026, ``figures`` JPEG files, a supplement, metadata.

    ``hrefs`` are the hrefs of its graphics (default: file names ending in .jpg, which are the files,
    too); ``xml_license`` is what the XML says where it differs; ``metadata`` overrides what the JSON says.
    """
    base = drawing(n % DISTINCT, figures)
    pmcid = f"PMC{n}"
    names = list(hrefs) or [f"demo-26-{n}-g{k:03d}.jpg" for k in range(1, figures + 1)]
    xml = article_xml(
        pmcid, version, base.title, base.front, base.body, base.floats, names,
        license if xml_license == "" else xml_license, date, article_type,
    )  # fmt: skip
    media = {
        name: own_jpeg(jpeg, f"{pmcid}.{version}/{name}")
        for name, jpeg in zip(names, base.jpegs, strict=True)
    }
    media |= {f"mmc{k}.pdf": f"%PDF-1.4\n% {pmcid} {k}\n".encode() for k in range(1, supplements + 1)}
    stated = {
        "pmcid": pmcid, "version": version, "pmid": 40_000_000 + n, "doi": f"10.5555/demo.{n}", "mid": None,
        "title": base.title, "citation": f"J Demo Data. {date[:4]};1(1):{n}. doi: 10.5555/demo.{n}",
        "is_pmc_openaccess": True, "is_manuscript": False, "is_historical_ocr": False, "is_retracted": False,
        "license_code": license, **metadata,
    }  # fmt: skip
    reads = {f"F{k}": name for k, name in enumerate(names, 1)}
    return PmcArticle(pmcid, version, xml, media, stated, reads, date=date).state()


def article_xml(
    pmcid: str, version: int, title: str, front: str, body: str, floats: str, hrefs: list[str],
    license: str | None, date: str, article_type: str,
) -> bytes:  # fmt: skip
    """JATS 1.4 as NCBI writes it: ids of type ``pmcid`` and ``pmcid-ver``, ``ali:license_ref``."""
    year, month, day = date.split("-")
    digits = pmcid.removeprefix("PMC")
    for k, href in enumerate(hrefs, 1):
        floats = floats.replace(f"@G{k}@", _attribute(href))
    return f"""<?xml version="1.0"?>
<!DOCTYPE article PUBLIC "-//NLM//DTD JATS (Z39.96) Journal Archiving and Interchange DTD with MathML3 v1.4 20241031//EN" "JATS-archivearticle1-4-mathml3.dtd">
<article xmlns:xlink="http://www.w3.org/1999/xlink" xmlns:mml="http://www.w3.org/1998/Math/MathML" xmlns:ali="http://www.niso.org/schemas/ali/1.0/" article-type="{article_type}" dtd-version="1.4" xml:lang="en"><processing-meta base-tagset="archiving" mathml-version="3.0" table-model="xhtml" tagset-family="jats"><restricted-by>pmc</restricted-by></processing-meta><front><journal-meta><journal-id journal-id-type="nlm-ta">J Demo Data</journal-id><journal-id journal-id-type="pmc-domain">demo</journal-id><journal-title-group><journal-title>Journal of Demonstration Data</journal-title></journal-title-group><publisher><publisher-name>pmcx demo source</publisher-name></publisher></journal-meta><article-meta><article-id pub-id-type="pmcid">{pmcid}</article-id><article-id pub-id-type="pmcid-ver">{pmcid}.{version}</article-id><article-id pub-id-type="pmcaid">{digits}</article-id><article-id pub-id-type="pmcaiid">{digits}{version}</article-id><article-id pub-id-type="pmid">{40_000_000 + int(digits)}</article-id><article-id pub-id-type="doi">10.5555/demo.{digits}</article-id><article-version article-version-type="pmc-version">{version}</article-version><title-group><article-title>{title}</article-title></title-group><contrib-group><contrib contrib-type="author"><name><surname>Example</surname><given-names>Ada</given-names></name></contrib></contrib-group><pub-date pub-type="epub"><year>{year}</year><month>{int(month)}</month><day>{int(day)}</day></pub-date><pub-history><event event-type="pmc-release"><date><year>{year}</year><month>{int(month)}</month><day>{int(day)}</day></date></event></pub-history>{_permissions(license)}{front}<custom-meta-group><custom-meta><meta-name>pmc-prop-open-access</meta-name><meta-value>yes</meta-value></custom-meta><custom-meta><meta-name>pmc-status-embargo</meta-name><meta-value>no</meta-value></custom-meta></custom-meta-group></article-meta></front><body>{body}</body><floats-group>{floats}</floats-group></article>
""".encode()  # noqa: E501


def _attribute(value: str) -> str:
    return value.replace("&", "&amp;").replace("<", "&lt;").replace('"', "&quot;")


def _permissions(license: str | None) -> str:
    copyright = "<copyright-statement>© The Authors 2026</copyright-statement>"
    if license not in LICENSE_URLS:
        return f"<permissions>{copyright}</permissions>"
    url = LICENSE_URLS[license]
    kind = "cc0license" if license == "CC0" else license.lower().replace(" ", "").replace("-", "") + "license"
    return (
        f'<permissions>{copyright}<license><ali:license_ref specific-use="textmining" content-type="{kind}">'
        f"{url}</ali:license_ref><license-p>{license}.</license-p></license></permissions>"
    )


class PmcBucket:
    """A bucket like ``pmc-oa-opendata``, and what a run over it must yield."""

    def __init__(self, standin: S3StandIn, bucket: str = BUCKET) -> None:
        self.standin, self.bucket = standin, bucket
        self.articles: dict[str, PmcArticle] = {}
        """By ``PMCn.v``, as they are in the bucket now."""
        self.modified: dict[str, str] = {}
        """LastModified of the metadata object, by ``PMCn.v``."""
        self._clock = datetime(2026, 2, 12, 3, 0, 0, tzinfo=timezone.utc)
        standin.public(bucket)

    # -- content --------------------------------------------------------------------------------

    def add(self, *articles: PmcArticle | Iterable[PmcArticle]) -> None:
        """Put articles (or lists of them) into the bucket, with all their objects."""
        for each in articles:
            for article in [each] if isinstance(each, PmcArticle) else each:
                self._put(copy.deepcopy(article))

    def fill(self, count: int, start: int = 10_000_001, figures: int = 3) -> list[str]:
        """Add ``count`` sound articles PMC<start> …; answers their ids."""
        made = [pmc_article(n, figures) for n in range(start, start + count)]
        self.add(made)
        return [article.pmcid for article in made]

    def change(self, pmcid: str) -> None:
        """The newest version's text changes: same version, other XML, checksums and metadata ETag."""
        article = self._newest(pmcid)
        count = article.xml.count(b"(corrected")
        article.xml = article.xml.replace(
            b"</article-title>", f" (corrected {count + 1})</article-title>".encode(), 1
        )
        self._put(article.state())

    def retract(self, pmcid: str) -> None:
        """The newest version is retracted: metadata and XML say so."""
        article = retracted(self._newest(pmcid))
        self._put(article)

    def remove(self, pmcid: str) -> None:
        """All objects of all versions vanish."""
        for name in [name for name in self.articles if name.partition(".")[0] == pmcid]:
            for key in self.articles.pop(name).objects():
                self.standin.delete(self.bucket, key)

    def _newest(self, pmcid: str) -> PmcArticle:
        versions = [each for each in self.articles.values() if each.pmcid == pmcid]
        return max(versions, key=lambda each: each.version)

    def _put(self, article: PmcArticle) -> None:
        self._clock += timedelta(seconds=1)
        when = self._clock.strftime("%Y-%m-%dT%H:%M:%SZ")
        if self.bucket != BUCKET:
            stated = json.dumps(article.metadata).replace(f"s3://{BUCKET}/", f"s3://{self.bucket}/")
            article.metadata = json.loads(stated)
        for key, data in article.objects().items():
            self.standin.put(self.bucket, key, data, when, article.parts)
        for (bucket, key), data in article.decoys.items():
            place = self.bucket if bucket == BUCKET else bucket
            self.standin.put(place, key, data, when)
            self.standin.public(place)
        self.articles[article.name] = article
        self.modified[article.name] = when

    # -- truth ----------------------------------------------------------------------------------

    @property
    def truth(self) -> dict[str, dict[str, str]]:
        """What a run with default options over the whole bucket must yield.

        Article (``PMCn.v``: the newest version, where that is not to be left out) -> figure id -> the
        file that shows it, "" where the figure is lost and must be a failure.
        """
        newest: dict[str, PmcArticle] = {}
        for article in self.articles.values():
            other = newest.get(article.pmcid)
            if other is None or article.version > other.version:
                newest[article.pmcid] = article
        taken = sorted(newest.values(), key=lambda each: (int(each.pmcid[3:]), each.version))
        return {each.name: dict(each.figures) for each in taken if not each.left_out}

    def image(self, name: str, figure: str) -> bytes:
        """The bytes that a run must read for a figure of article ``PMCn.v``."""
        article = self.articles[name]
        return article.media[article.figures[figure]]

    # -- inventory ------------------------------------------------------------------------------

    def inventory(
        self,
        date: str = "2026-09-07",
        shards: int = 2,
        schema: str = "Bucket, Key, LastModifiedDate, ETag",
        defect: str = "",
        time: str = "01-00",
    ) -> str:
        """Write the inventory of the metadata as of now; answers the key of its (intended) manifest.

        ``defect``: ``no-manifest`` (the folder is there, the manifest not yet), ``md5-mismatch`` (the
        first shard is not the one that the manifest means), ``truncated-gz`` (the first shard breaks off,
        with a checksum that agrees), ``long-row`` (the first shard unpacks to a row of 8 MB), ``many-rows``
        (to the same row over and over), ``foreign-rows`` (with a row of another bucket), ``foreign`` (the
        manifest is of another bucket).
        """
        root = f"inventory-reports/{self.bucket}/metadata"
        rows = [self._row(name, schema) for name in sorted(self.articles)]
        files = []
        for k in range(shards):
            data = _csv_gz(rows[k::shards])
            stated = data
            if k == 0 and defect == "truncated-gz":
                data = stated = data[: len(data) // 2]
            elif k == 0 and defect == "long-row":
                data = stated = gzip.compress(bytes(8_000_000), mtime=0)
            elif k == 0 and defect == "many-rows":
                data = stated = _csv_gz(rows[:1] * 100_000)
            elif k == 0 and defect == "foreign-rows":
                elsewhere = [cell.replace(self.bucket, "elsewhere") for cell in rows[0]]
                other = [cell.replace("metadata/PMC", "metadata/PMC9") for cell in elsewhere]
                data = stated = _csv_gz([other, *rows[k::shards]])
            elif k == 0 and defect == "md5-mismatch":
                data = _csv_gz(rows[k + 1 :: shards])
            name = hashlib.sha256(f"{date}{time}{k}{schema}{defect}".encode()).hexdigest()[:32]
            key = f"{root}/data/{name}.csv.gz"
            self.standin.put(self.bucket, key, data, f"{date}T02:00:00Z")
            files.append({"key": key, "size": len(stated), "MD5checksum": hashlib.md5(stated).hexdigest()})
        created = datetime.fromisoformat(f"{date}T00:00:00+00:00")
        manifest = {
            "sourceBucket": "elsewhere" if defect == "foreign" else self.bucket,
            "destinationBucket": f"arn:aws:s3:::{self.bucket}",
            "version": "2016-11-30",
            "creationTimestamp": str(int(created.timestamp() * 1000)),
            "fileFormat": "CSV",
            "fileSchema": schema,
            "files": files,
        }
        folder = f"{root}/{date}T{time}Z"
        body = json.dumps(manifest, indent=2).encode()
        when = f"{date}T03:00:00Z"
        self.standin.put(self.bucket, f"{root}/hive/dt={date}-{time}/symlink.txt", b"s3://elsewhere\n", when)
        if defect == "no-manifest":
            # The folder exists all the same: its checksum came first.
            self.standin.put(self.bucket, f"{folder}/manifest.checksum", b"", when)
        else:
            self.standin.put(self.bucket, f"{folder}/manifest.json", body, when)
            checksum = hashlib.md5(body).hexdigest().encode()
            self.standin.put(self.bucket, f"{folder}/manifest.checksum", checksum, when)
        return f"{folder}/manifest.json"

    def _row(self, name: str, schema: str) -> list[str]:
        facts = {
            "Bucket": self.bucket,
            "Key": f"metadata/{name}.json",
            "LastModifiedDate": self.modified[name].replace("Z", ".000Z"),
            "ETag": hashlib.md5(self.articles[name].json()).hexdigest(),
            "Size": str(len(self.articles[name].json())),
            "StorageClass": "STANDARD",
            "IsMultipartUploaded": "false",
        }
        return [facts[column.strip()] for column in schema.split(",")]


def _csv_gz(rows: list[list[str]]) -> bytes:
    text = io.StringIO()
    csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\n").writerows(rows)
    return gzip.compress(text.getvalue().encode(), mtime=0)


def retracted(article: PmcArticle) -> PmcArticle:
    """The article, retracted: ``is_retracted``, and the link to the notice in the XML."""
    notice = (
        '<related-article related-article-type="retraction-forward" ext-link-type="pmc"'
        ' xlink:href="PMC99999998">Retraction of this article</related-article>'
    )
    article.xml = article.xml.replace(b"<abstract>", f"{notice}<abstract>".encode(), 1)
    article.metadata["is_retracted"] = True
    article.left_out = "retracted"
    return article.state()
