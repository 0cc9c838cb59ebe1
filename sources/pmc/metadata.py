"""The metadata JSON of an article version, and the names of its files, checked before anything is fetched.

Schema: ``README.txt`` of the bucket; https://pmc.ncbi.nlm.nih.gov/tools/pmcaws/.
"""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass
from typing import Any

import msgspec

from ...core.errors import InputError
from ...core.records import Article, Drop, Ids, License

log = logging.getLogger(__name__)

_MD5 = re.compile(r"[0-9a-fA-F]{32}")
_VERSIONED = re.compile(r"PMC([1-9]\d{0,14})\.([1-9]\d{0,5})")
_CODE = re.compile(r"CC0|CC BY(?:-NC)?(?:-(?:SA|ND))?")
_CONTROL = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")


class Metadata(msgspec.Struct, frozen=True, kw_only=True):
    """One ``PMC<n>.<v>.json``; what it does not state is empty, and not open access."""

    pmcid: str
    version: int
    pmid: int | str | None = None
    doi: str | None = None
    title: str | None = None
    is_pmc_openaccess: bool | None = None
    is_manuscript: bool | None = None
    is_historical_ocr: bool | None = None
    is_retracted: bool | None = None
    license_code: str | None = None
    xml_url: str | None = None
    media_urls: list[Any] | None = None


@dataclass(frozen=True)
class RemoteFile:
    """One file of an article version: its name in the version's folder, and the md5 promised for it."""

    name: str
    md5: str = ""


@dataclass(frozen=True)
class Media:
    """The files that an article's metadata list beside the text."""

    files: dict[str, RemoteFile]
    refused: dict[str, str]
    """Last part of the name of what is not followed -> the address as it stands in the metadata."""


def parse_metadata(data: bytes, version: str) -> Metadata:
    """Read the JSON of the version ``PMC123.2``; InputError where it is none, or another article's."""
    try:
        found = msgspec.json.decode(data, type=Metadata, strict=False)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InputError(f"metadata/{version}.json: not the metadata of an article: {error}") from error
    if f"{found.pmcid}.{found.version}" != version:
        raise InputError(f"metadata/{version}.json is about {found.pmcid}.{found.version}")
    return found


def split_version(text: str) -> tuple[int, int]:
    """The numbers of ``PMC123.2``; InputError for anything else."""
    match = _VERSIONED.fullmatch(text)
    if match is None:
        raise InputError(f"not a version of a PMC article: {text!r} (they look like PMC123.2)")
    return int(match[1]), int(match[2])


def license_of(metadata: Metadata) -> License:
    """The licence that PMC states for the article; ``TDM``, null and strange codes grant none."""
    code = (metadata.license_code or "").strip()
    known = _CODE.fullmatch(code) is not None
    return License(
        code=code if known else "unknown",
        spdx="CC0-1.0" if code == "CC0" else "",
        source="pmc-metadata",
        evidence=code,
    )


def describe(metadata: Metadata, article_id: str, source: str) -> Article:
    """The article as far as its metadata tell, for filters that need no text."""
    return Article(
        id=article_id,
        source=source,
        ids=ids_of(metadata),
        license=license_of(metadata),
        source_license=metadata.license_code or "",
        title=metadata.title or "",
        retracted=bool(metadata.is_retracted),
    )


def ids_of(metadata: Metadata) -> Ids:
    return Ids(
        pmid=str(metadata.pmid or ""),
        pmcid=metadata.pmcid,
        doi=metadata.doi or "",
        version=str(metadata.version),
    )


def excluded(
    metadata: Metadata, article_id: str, *, open_access_only: bool, manuscripts: bool, ocr: bool
) -> Drop | None:
    """Why the options leave an article version out, or None."""
    reasons = {
        "manuscript": not manuscripts and bool(metadata.is_manuscript),
        "ocr": not ocr and bool(metadata.is_historical_ocr),
        "not-open-access": open_access_only and not metadata.is_pmc_openaccess,
    }
    reason = next((reason for reason, holds in reasons.items() if holds), "")
    detail = f"license_code {metadata.license_code}"
    return Drop(id=article_id, stage="fetch", reason=reason, detail=detail) if reason else None


def is_safe(name: str) -> bool:
    """Whether a name is one path part that no HTTP client and no file system reads as something else."""
    strange = name in ("", ".", "..") or name[1:2] == ":" or _CONTROL.search(name)
    return not strange and "/" not in name and "\\" not in name


def file_of(url: str, bucket: str, version: str) -> RemoteFile | None:
    """The file that ``s3://<bucket>/<version>/<name>?md5=…`` names; None for any other address.

    Names with a second path part, ``..``, a backslash, a drive letter or control characters are refused:
    HTTP clients rewrite some of them, and would fetch another object than the one checked here.
    """
    address, digest = _split(url)
    name = address.removeprefix(f"s3://{bucket}/{version}/")
    if name == address or not is_safe(name):
        return None
    md5 = _MD5.match(digest)
    return RemoteFile(name, md5[0].lower() if md5 else "")


def _split(url: str) -> tuple[str, str]:
    """The address and the checksum behind it. Any other question mark is part of the file's name."""
    address, found, digest = url.rpartition("?md5=")
    return (address, digest) if found else (url, "")


def media_of(metadata: Metadata, bucket: str, version: str) -> Media:
    """The media of an article version, safe ones and refused ones."""
    files: dict[str, RemoteFile] = {}
    refused: dict[str, str] = {}
    for url in metadata.media_urls or ():
        file = file_of(url, bucket, version) if isinstance(url, str) else None
        if file is not None:
            files.setdefault(file.name, file)
            continue
        address = _split(str(url))[0]
        refused.setdefault(re.split(r"[/\\]", address)[-1], address)
    if refused:
        shown = ", ".join(map(repr, list(refused.values())[:3]))
        log.warning(
            "%s: %d media addresses are not files of this version and are not followed: %s",
            version, len(refused), shown + (" …" if len(refused) > 3 else ""),
        )  # fmt: skip
    return Media(files, refused)


def xml_of(metadata: Metadata, bucket: str, version: str) -> RemoteFile:
    """The XML file of an article version; InputError where the metadata point elsewhere.

    Without an ``xml_url`` it is ``<version>.xml``, unverified.
    """
    if not metadata.xml_url:
        return RemoteFile(f"{version}.xml")
    file = file_of(metadata.xml_url, bucket, version)
    if file is None:
        address = _split(metadata.xml_url)[0]
        raise InputError(f"{version}: refused the XML address {address!r}: not a file of this version")
    return file
