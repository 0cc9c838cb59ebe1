"""What ``pmc-oa`` takes for granted about the bucket: one check for each assumption (``pmcx check-live``).

The layout was published by NLM (Technical Bulletin 468:e8 and the bucket's ``README.txt``) and measured by
third parties; these checks ask the service itself. They read some 50 small objects and change nothing.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from urllib.parse import urlencode

from ...core.errors import InputError, PmcxError
from ...core.net.client import Client, NotFoundError, Response
from ...core.net.s3 import Bucket, Entry, parse_listing
from ...core.stages import LiveCheck, SkippedError
from ..live import Checks, assumes, expect, some
from .eutils import TOOL
from .metadata import file_of
from .options import PmcOptions
from .select import read_inputs

SAMPLES = ("PMC10000335.1", "PMC12855588.1", "PMC7759461.1", "PMC10373475.1", "PMC11370360.2")
"""Article versions that third parties have seen in the bucket, one of them with 347 media files."""
MOST_READ = 40
"""Metadata files that are read to find an article with figures, at most."""
ENOUGH = 8
"""Article versions whose metadata are looked at, at least."""
WHERE = "See that `endpoint` and `bucket` name the service, and that a proxy lets it through."
S3_NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"
LICENSE_CODES = frozenset(
    ("CC0", "CC BY", "CC BY-SA", "CC BY-ND", "CC BY-NC", "CC BY-NC-SA", "CC BY-NC-ND", "TDM", None)
)
FLAGS = ("is_pmc_openaccess", "is_manuscript", "is_historical_ocr", "is_retracted")
KEYS = frozenset(
    ("pmcid", "version", "pmid", "doi", "mid", "title", "citation", "license_code", "xml_url", "text_url")
) | {"pdf_url", "media_urls", *FLAGS}
RETIRED = ("oa_comm/", "oa_noncomm/", "phe_timebound/", "author_manuscript/", "deprecated/")
_METADATA_KEY = re.compile(r"metadata/(PMC[1-9]\d*\.[1-9]\d*)\.json")
_MD5 = re.compile(r"[0-9a-f]{32}")


def live_checks(client: Client, options: PmcOptions) -> Iterator[LiveCheck]:
    """All checks: of the bucket, its inventory, and E-utilities."""
    from .live_select import InventoryChecks, SearchChecks

    bucket = Bucket(client, options.bucket, options.endpoint)
    named = [str(wanted) for wanted in read_inputs(options.input) if wanted.version]
    yield from BucketChecks(client, bucket, named).checks()
    yield from InventoryChecks(bucket).checks()
    common = {"tool": TOOL, "email": options.contact, "api_key": options.key()}
    given = {key: value for key, value in common.items() if value}
    yield from SearchChecks(client, options.eutils, given, options.since, options.until).checks()


@dataclass(frozen=True)
class Sample:
    """One article version of the bucket and its metadata."""

    version: str
    answer: Response
    metadata: dict[str, Any]

    def media(self, bucket: str) -> dict[str, str]:
        """Name -> promised md5 of its media."""
        urls = self.metadata.get("media_urls") or []
        files = [file_of(url, bucket, self.version) for url in urls if isinstance(url, str)]
        return {file.name: file.md5 for file in files if file is not None}


class BucketChecks(Checks):
    """Checks of the article bucket. ``articles`` (``PMC123.1``) are looked at before the known ones."""

    advice = "Nothing to set: pmcx copes with it. Please report it."

    def __init__(self, client: Client, bucket: Bucket, articles: Sequence[str] = ()) -> None:
        self.client, self.bucket = client, bucket
        self.articles = (*articles, *SAMPLES)

    # -- what the checks look at ----------------------------------------------------------------

    def listing(self, prefix: str, delimiter: str = "", **query: str) -> Response:
        """One page of a listing, as it comes."""
        asked = {"list-type": "2", "prefix": prefix, "encoding-type": "url", **query}
        if delimiter:
            asked["delimiter"] = delimiter
        return self.client.get(f"{self.bucket.base}/?{urlencode(asked)}", kind="xml", sign=self.bucket.sign)

    def entries(self, prefix: str, delimiter: str = "", **query: str) -> list[Entry]:
        return parse_listing(self.listing(prefix, delimiter, **query).body)[0]

    @cached_property
    def page(self) -> list[Entry]:
        """The first page of metadata files."""
        return self.entries("metadata/")

    @cached_property
    def samples(self) -> list[Sample]:
        """Article versions, at least one of them open access and with images."""
        found: list[Sample] = []
        wanted = list(self.articles)
        try:
            listed = [match[1] for entry in self.page if (match := _METADATA_KEY.fullmatch(entry.key))]
            wanted += listed[:: max(1, len(listed) // MOST_READ)]
        except PmcxError:  # told by anonymous-list; articles may be readable without listings
            pass
        for version in list(dict.fromkeys(wanted))[: len(self.articles) + MOST_READ]:
            if len(found) >= ENOUGH and any(map(self._has_figures, found)):
                break
            try:
                answer = self.bucket.get(f"metadata/{version}.json", kind="json")
            except InputError:  # not there, or so the check of absent keys will say
                continue
            data = json.loads(answer.body)
            if isinstance(data, dict):
                found.append(Sample(version, answer, data))
        return found

    def _has_figures(self, sample: Sample) -> bool:
        from ..graphics import split_suffix

        return bool(sample.metadata.get("is_pmc_openaccess")) and any(
            split_suffix(name)[1] for name in sample.media(self.bucket.name)
        )

    def known(self) -> list[Sample]:
        """The samples; SkippedError without any, as the check of reading them tells why."""
        if self._unreadable:
            raise SkippedError(f"no article to look at: {self._unreadable}")
        return self.samples

    @cached_property
    def _unreadable(self) -> str:
        """Why there are no samples; found out once, as every try may take minutes where nobody answers."""
        try:
            return "" if self.samples else "see anonymous-list and anonymous-get"
        except PmcxError as error:
            return str(error)

    @cached_property
    def article(self) -> Sample:
        """One open article with images."""
        for sample in self.known():
            if self._has_figures(sample):
                return sample
        raise SkippedError(
            f"none of {len(self.samples)} articles is open and has images; name one in `input`"
        )

    @cached_property
    def xml(self) -> Response:
        return self.bucket.get(f"{self.article.version}/{self.article.version}.xml", kind="xml")

    @cached_property
    def folder(self) -> list[Entry]:
        """The first page of the article's folder, without a delimiter."""
        return self.entries(f"{self.article.version}/")

    # -- the bucket -----------------------------------------------------------------------------

    @assumes("anonymous-list", "the bucket can be listed without credentials, in pages", WHERE)
    def can_list(self) -> str:
        from lxml import etree

        answer = self.listing("metadata/")
        root = etree.fromstring(answer.body)
        expect(root.tag == f"{{{S3_NAMESPACE}}}ListBucketResult", f"the answer is a {root.tag}")
        entries = parse_listing(answer.body)[0]
        expect(entries, "no object below metadata/")
        odd = [entry.key for entry in entries if not _METADATA_KEY.fullmatch(entry.key)]
        expect(not odd, f"keys that are no metadata of an article: {some(odd)}")
        bare = [entry.key for entry in entries if not (entry.size and entry.etag and entry.modified)]
        expect(not bare, f"entries without size, ETag or date: {some(bare)}")
        return f"{len(entries)} keys on the first page, from {entries[0].key}"

    @assumes("anonymous-get", "objects can be read without credentials", WHERE)
    def can_get(self) -> str:
        found = self.samples
        expect(found, f"no metadata of any of {some(self.articles)} and of the first listed")
        return f"{len(found)} metadata files, from {found[0].version}"

    @assumes("readme", "the bucket describes itself in README.txt")
    def readme(self) -> str:
        answer = self.bucket.get("README.txt")
        first = answer.body.decode("utf-8", "replace").strip().partition("\n")[0]
        expect(first, "README.txt is empty")
        return f"{len(answer.body)} bytes, beginning {first[:60]!r}"

    @assumes(
        "listing-order",
        "keys come in the order of their bytes, and start-after is honoured",
        "Do not enumerate by listing: use `input`, `query` or `inventory`.",
    )
    def order(self) -> str:
        keys = [entry.key for entry in self.page]
        wrong = [b for a, b in itertools.pairwise(keys) if a.encode() >= b.encode()]
        expect(not wrong, f"out of order: {some(wrong)}")
        if len(keys) < 2:
            raise SkippedError("fewer than two keys below metadata/")
        rest = self.entries("metadata/", **{"start-after": keys[0]})
        expect(rest and rest[0].key == keys[1], f"after {keys[0]} comes {rest[0].key if rest else 'nothing'}")
        return f"{len(keys)} keys in order; after {keys[0]} comes {keys[1]}"

    @assumes("absent-id", "a listing for an id that does not exist is empty, no error", WHERE)
    def absent_id(self) -> str:
        answer = self.listing("metadata/PMC99999999999.")
        expect(answer.status == 200, f"HTTP {answer.status}")
        entries = parse_listing(answer.body)[0]
        expect(not entries, f"{len(entries)} entries for PMC99999999999")
        return "HTTP 200 and no entry for PMC99999999999"

    @assumes(
        "absent-key",
        "an object that does not exist answers 404",
        "Missing media count as refused instead of missing; figures are lost either way.",
    )
    def absent_key(self) -> str:
        try:
            self.bucket.get("PMC99999999999.1/PMC99999999999.1.json")
        except NotFoundError as error:
            return str(error).rpartition(": ")[2]
        except InputError as error:
            raise AssertionError(str(error)) from error
        raise AssertionError("an object that should not exist was answered")

    @assumes(
        "range",
        "a part of an object can be read",
        "Broken downloads start over: expect more traffic, and raise `attempts`.",
    )
    def part(self) -> str:
        key = f"{self.article.version}/{self.article.version}.xml"
        answer = self.bucket.get(key, byte_range=(10, 110))
        expect(
            answer.body == self.xml.body[10:110], f"{len(answer.body)} bytes, not those of the whole object"
        )
        return f"HTTP {answer.status}, {answer.headers.get('content-range', 'no Content-Range')}"

    @assumes(
        "if-match",
        "a part of a changed object is refused",
        "A resumed download may mix two versions where no md5 is promised; set `max_bytes` low.",
    )
    def changed_object(self) -> str:
        key = f"{self.article.version}/{self.article.version}.xml"
        try:
            self.bucket.get(key, byte_range=(0, 10), if_match="0" * 32)
        except NotFoundError:
            raise
        except InputError:
            same = self.bucket.get(key, byte_range=(0, 10), if_match=self.xml.etag)
            return f"refused with another ETag; HTTP {same.status} with its own"
        raise AssertionError("If-Match with an ETag that the object does not have was ignored")

    @assumes(
        "retired-prefixes",
        "the prefixes of the distribution until 2026 are empty",
        "Nothing to set: pmcx does not read them.",
    )
    def retired(self) -> str:
        filled = [prefix for prefix in RETIRED if self.entries(prefix, "/")]
        expect(not filled, f"not empty: {', '.join(filled)}")
        return f"{len(RETIRED)} prefixes without objects"

    # -- metadata -------------------------------------------------------------------------------

    @assumes(
        "metadata-keys",
        "the metadata hold the keys and types that pmcx filters by",
        "Stop: filters would judge by missing facts. Update pmcx.",
    )
    def keys(self) -> str:
        for sample in self.known():
            data = sample.metadata
            needed = {"pmcid", "version", "license_code", "is_pmc_openaccess"}
            if data.get("is_pmc_openaccess"):  # what is not open is left out without looking further
                needed |= {"xml_url", *FLAGS}
            missing = sorted(needed - set(data))
            expect(not missing, f"{sample.version} has no {', '.join(missing)}")
            own = f"{data['pmcid']}.{data['version']}"
            expect(own == sample.version, f"metadata of {sample.version} say {own}")
            number = data["version"]
            expect(isinstance(number, int) and number >= 1, f"{sample.version}: version is {number!r}")
            odd = [flag for flag in FLAGS if flag in data and not isinstance(data[flag], bool)]
            expect(not odd, f"{sample.version}: no true or false in {', '.join(odd)}")
            media = data.get("media_urls") or []
            expect(isinstance(media, list), f"{sample.version}: media_urls is {type(media).__name__}")
        new = {key for sample in self.samples for key in sample.metadata} - KEYS
        return f"{len(self.samples)} articles" + (f"; new keys: {some(sorted(new))}" if new else "")

    @assumes(
        "licence-codes",
        "license_code is one of the known codes",
        "Unknown codes count as `unknown` licence, which the commercial filter drops.",
    )
    def licences(self) -> str:
        codes = {sample.metadata.get("license_code") for sample in self.known()}
        expect(codes <= LICENSE_CODES, f"unknown: {', '.join(map(repr, codes - LICENSE_CODES))}")
        return ", ".join(sorted(str(code) for code in codes))

    @assumes("metadata-mirror", "metadata/<version>.json equals <version>/<version>.json")
    def mirror(self) -> str:
        sample = self.known()[0]
        other = self.bucket.get(f"{sample.version}/{sample.version}.json", kind="json")
        expect(other.body == sample.answer.body, f"the two of {sample.version} differ")
        return f"{sample.version}: {len(other.body)} bytes, identical"

    @assumes(
        "versions",
        "metadata and folders show the same versions, each with its own number",
        "Name versions (`PMC123.2`) in `input`.",
    )
    def versions(self) -> str:
        most: list[str] = []
        for pmcid in list(dict.fromkeys(sample.version.partition(".")[0] for sample in self.known()))[:5]:
            listed = [entry.key for entry in self.entries(f"metadata/{pmcid}.")]
            named = {m[1] for key in listed if (m := _METADATA_KEY.fullmatch(key))}
            strange = [name for name in named if not name.startswith(f"{pmcid}.")]
            expect(not strange, f"a listing of {pmcid} holds {some(strange)}")
            folders = {entry.key.rstrip("/") for entry in self.entries(f"{pmcid}.", "/") if entry.prefix}
            expect(named == folders, f"{pmcid}: metadata {sorted(named)}, folders {sorted(folders)}")
            ordered = sorted(named, key=lambda name: int(name.partition(".")[2]))
            most = max(most, ordered, key=len)
        return f"most versions: {some(most)}, the newest {most[-1]}"

    @assumes(
        "manuscripts",
        "an author manuscript under TDM has no media and is not open access",
        "Keep `manuscripts` off and `open_access_only` on.",
    )
    def manuscripts(self) -> str:
        found = [sample for sample in self.known() if sample.metadata.get("license_code") == "TDM"]
        if not found:
            raise SkippedError("no author manuscript among the articles looked at")
        for sample in found:
            count = len(sample.metadata.get("media_urls") or [])
            expect(not count, f"{sample.version} has {count} media")
            expect(not sample.metadata.get("is_pmc_openaccess"), f"{sample.version} is open access")
        return f"{len(found)}: {some([sample.version for sample in found])}"

    # -- files ----------------------------------------------------------------------------------

    @assumes(
        "safe-addresses",
        "files are addressed as s3://<bucket>/<version>/<name>?md5=<md5>",
        "Other addresses are not followed: those files are lost. Update pmcx.",
    )
    def addresses(self) -> str:
        count = 0
        for sample in self.known():
            urls = [sample.metadata.get("xml_url"), *(sample.metadata.get("media_urls") or [])]
            for url in filter(None, urls):
                file = file_of(str(url), self.bucket.name, sample.version)
                expect(file is not None, f"{sample.version}: {str(url).partition('?')[0]}")
                expect(file is not None and file.md5, f"{sample.version}: no md5 in {url}")
                count += 1
        return f"{count} addresses"

    @assumes("media-listed", "every file that the metadata name is in the version's folder")
    def listed(self) -> str:
        names = {entry.key.rpartition("/")[2] for entry in self.folder}
        missing = [name for name in self.article.media(self.bucket.name) if name not in names]
        expect(not missing, f"{self.article.version} has no {some(missing)}")
        return f"{self.article.version}: {len(names)} files, all media among them"

    @assumes(
        "flat-folders",
        "a version's folder has no sub-folders",
        "Files in sub-folders are not followed: figures are lost. Update pmcx.",
    )
    def flat(self) -> str:
        deep = [entry.key for entry in self.folder if entry.key.count("/") != 1]
        expect(not deep, some(deep))
        return f"{self.article.version}: {len(self.folder)} keys"

    @assumes(
        "md5",
        "the md5 of an address is that of the bytes",
        "Every such file fails as transient; report it to PMC.",
    )
    def checksums(self) -> str:
        version = self.article.version
        promised = file_of(str(self.article.metadata.get("xml_url")), self.bucket.name, version)
        name, md5 = self._image_name()
        seen = [(f"{version}.xml", promised.md5 if promised else "", self.xml), (name, md5, self._image)]
        for name, md5, answer in seen:
            found = hashlib.md5(answer.body, usedforsecurity=False).hexdigest()
            expect(found == md5, f"{version}/{name}: promised {md5 or 'nothing'}, the bytes have {found}")
        return f"{' and '.join(name for name, _, _ in seen)} of {version}"

    @assumes(
        "etag",
        "the ETag is the md5 of the bytes, the same in listing and answer",
        "Nothing to set: pmcx takes ETags as a sign of change only.",
    )
    def etags(self) -> str:
        listed = {entry.key: entry.etag for entry in self.folder}
        for key, answer in (
            (f"{self.article.version}/{self.article.version}.xml", self.xml),
            (f"{self.article.version}/{self._image_name()[0]}", self._image),
        ):
            expect(listed.get(key) == answer.etag, f"{key}: {listed.get(key)} listed, {answer.etag} answered")
            expect(_MD5.fullmatch(answer.etag), f"{key}: {answer.etag} (stored in several parts?)")
            own = hashlib.md5(answer.body, usedforsecurity=False).hexdigest()
            expect(answer.etag == own, f"{key}: ETag {answer.etag}, md5 {own}")
        parts = [key for key, etag in listed.items() if not _MD5.fullmatch(etag)]
        expect(not parts, f"ETags that are no md5: {some(parts)}")
        return f"{len(listed)} files of {self.article.version}"

    def _image_name(self) -> tuple[str, str]:
        """Name and md5 of the smallest image among the article's media."""
        from ..graphics import is_vector, split_suffix

        sizes = {entry.key.rpartition("/")[2]: entry.size for entry in self.folder}
        media = self.article.media(self.bucket.name)
        images = [name for name in media if split_suffix(name)[1] and not is_vector(name)]
        if not images:
            raise SkippedError(f"{self.article.version} has no raster image among its media")
        name = min(images, key=lambda name: (sizes.get(name, 0) == 0, sizes.get(name, 0)))
        return name, media[name]

    @cached_property
    def _image(self) -> Response:
        return self.bucket.get(f"{self.article.version}/{self._image_name()[0]}")

    @assumes("image-bytes", "a figure's file is an image")
    def image(self) -> str:
        from ...core.decode import sniff

        name = self._image_name()[0]
        kind = sniff(self._image.body)
        expect(kind, f"{name} begins {self._image.body[:16]!r}")
        return f"{name}: {kind}, {len(self._image.body)} bytes"

    # -- XML ------------------------------------------------------------------------------------

    @assumes("xml-root", "the XML is an article without a namespace")
    def xml_root(self) -> str:
        from ..jats_xml import read_xml

        root = str(read_xml(self.xml.body).root.tag)
        expect(root == "article", f"the root is {root}")
        return f"{self.article.version}: <article>"

    @assumes("xml-id", "pmcid-ver in the XML is the name of the version")
    def xml_id(self) -> str:
        from ..jats import scan

        heads = scan(self.xml.body)
        expect(len(heads) == 1, f"{len(heads)} articles in one file")
        stated = f"{heads[0].ids.pmcid}.{heads[0].ids.version}"
        expect(stated == self.article.version, f"the XML of {self.article.version} says {stated}")
        return stated

    def _figures(self) -> Mapping[str, tuple[str, ...]]:
        """Figure id -> file names that its graphic has in the XML."""
        from ..jats import parse

        parsed = parse(self.xml.body, source="pmc-oa", article_id=self.article.version)
        if not parsed.figures:
            raise SkippedError(f"{self.article.version} has no figures")
        return {figure.id: parsed.candidates.get(figure.id, ()) for figure in parsed.figures}

    @assumes("href-suffix", "graphics name their files with the suffix")
    def suffixes(self) -> str:
        from ..graphics import split_suffix

        hrefs = [href for names in self._figures().values() for href in names]
        bare = [href for href in hrefs if not split_suffix(href)[1]]
        expect(not bare, f"without a suffix: {some(bare)}")
        return f"{len(hrefs)} graphics, such as {hrefs[0]}"

    @assumes(
        "href-resolves",
        "every figure's graphic is one of the media",
        "Figures without a file are lost as input failures. Please report it.",
    )
    def resolves(self) -> str:
        from ..graphics import FileIndex

        index = FileIndex(self.article.media(self.bucket.name), "")
        lost = [figure for figure, hrefs in self._figures().items() if not index.resolve(hrefs)]
        expect(not lost, f"no file for {some(lost)}")
        return f"{len(self._figures())} figures of {self.article.version}"

    @assumes("thumbnails", "media hold no thumbnails (a .gif beside a .jpg of one name)")
    def thumbnails(self) -> str:
        from ..graphics import split_suffix

        small: list[str] = []
        count = 0
        for sample in self.known():
            names = [split_suffix(name) for name in sample.media(self.bucket.name)]
            larger = {stem for stem, suffix in names if suffix and suffix != ".gif"}
            small += [
                f"{sample.version}/{stem}.gif"
                for stem, suffix in names
                if suffix == ".gif" and stem in larger
            ]
            count += len(names)
        expect(not small, some(small))
        return f"{count} media of {len(self.samples)} articles"
