"""The generated articles and archives: laid out as the real ones are, and as true as they say."""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import json
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from lxml import etree
from standins.content import (
    BUCKET,
    MECA_TRAPS,
    PMC_TRAPS,
    MecaBucket,
    PmcBucket,
    meca_archive,
    pmc_article,
    pmc_trap,
)
from standins.raw import ask
from standins.s3 import S3StandIn

from pmcx.core.decode import decode
from pmcx.core.errors import InputError, PmcxError
from pmcx.core.net.s3 import parse_listing
from pmcx.core.records import ArticleRef
from pmcx.core.stages import Document
from pmcx.sources import jats
from pmcx.sources.folder import FolderSource
from pmcx.sources.graphics import FileIndex

# -- PMC content ----------------------------------------------------------------------------------


@pytest.fixture
def pmc() -> Iterator[PmcBucket]:
    with S3StandIn() as server:
        yield PmcBucket(server)


def get(bucket: PmcBucket, key: str) -> bytes:
    status, _, body = ask(bucket.standin, f"/{bucket.bucket}/{quote(key)}")
    assert status == 200, key
    return body


def test_articles_have_the_keys_of_the_bucket(pmc: PmcBucket) -> None:
    (pmcid,) = pmc.fill(1)
    name = f"{pmcid}.1"
    keys = pmc.standin.keys(BUCKET)
    assert f"metadata/{name}.json" in keys
    own = {key.partition("/")[2] for key in keys if key.startswith(f"{name}/")}
    images = set(pmc.truth[name].values())
    assert own == {f"{name}.json", f"{name}.xml", f"{name}.txt", f"{name}.pdf", "mmc1.pdf", *images}
    assert get(pmc, f"metadata/{name}.json") == get(pmc, f"{name}/{name}.json")
    stated = json.loads(get(pmc, f"metadata/{name}.json"))
    for url in [stated["xml_url"], stated["pdf_url"], stated["text_url"], *stated["media_urls"]]:
        place, _, digest = url.removeprefix(f"s3://{BUCKET}/").partition("?md5=")
        assert hashlib.md5(get(pmc, place)).hexdigest() == digest


@pytest.mark.real_data
def test_metadata_have_the_shape_of_the_real_ones(shared_data: Path) -> None:
    real = json.loads((shared_data / "interfaces/pmc_s3_new/RECONSTRUCTED_full_shape.json").read_text())
    made = pmc_article(5).metadata
    assert set(real) == set(made)
    assert {key: type(value) for key, value in real.items()} == {
        key: type(value) for key, value in made.items()
    }
    manuscript = json.loads(
        (shared_data / "interfaces/pmc_s3_new/PMC10373475.1_author_manuscript_TDM.json").read_text()
    )
    assert set(pmc_trap("tdm")[0].metadata) >= set(manuscript)


@pytest.mark.parametrize("trap", ["", *PMC_TRAPS])
def test_the_reader_agrees_with_the_truth(trap: str) -> None:
    for article in pmc_trap(trap) if trap else [pmc_article(n) for n in range(1, 6)]:
        if article.left_out == "damaged-xml":
            with pytest.raises(InputError):
                jats.parse(article.xml, source="pmc", article_id=article.name)
            continue
        parsed = jats.parse(article.xml, source="pmc", article_id=article.name)
        assert (parsed.article.ids.pmcid, parsed.article.ids.version) == (article.pmcid, str(article.version))
        if article.left_out != "retracted":
            assert not parsed.article.retracted
        assert [figure.id for figure in parsed.figures] == [
            f"{article.name}/{each}" for each in article.figures
        ]
        index = FileIndex([name for name in article.media if name not in article.missing], "")
        for figure in parsed.figures:
            file = article.figures[figure.id.partition("/")[2]]
            hrefs = parsed.candidates[figure.id]
            assert figure.caption
            if file:
                assert index.resolve(hrefs) == file
                assert decode(article.media[file]).width > 100
            elif index.resolve(hrefs) and trap != "wrong-md5":
                with pytest.raises(PmcxError):
                    decode(article.media[index.resolve(hrefs)])


def test_licences_and_retractions_are_in_both_places() -> None:
    (disagrees,) = pmc_trap("licence-disagrees")
    stated = jats.parse(disagrees.xml, source="pmc", article_id="x").article.license.code
    assert (stated, disagrees.metadata["license_code"]) == ("CC BY-NC", "CC BY")
    (retracted,) = pmc_trap("retracted")
    assert jats.parse(retracted.xml, source="pmc", article_id="x").article.retracted
    assert retracted.metadata["is_retracted"] is True


def test_hostile_names_lead_to_sound_decoys(pmc: PmcBucket) -> None:
    (article,) = pmc_trap("hostile-names")
    pmc.add(article)
    digests = {hashlib.md5(data).hexdigest() for data in article.decoys.values()}
    stated = {url.rpartition("md5=")[2] for url in article.metadata["media_urls"] if "md5=" in url}
    assert len(digests) == 7
    assert digests <= stated
    for bucket, key in article.decoys:
        assert ask(pmc.standin, f"/{bucket}/{quote(key)}")[0] == 200
    assert list(pmc.truth[article.name].values()) == ["good.jpg", *[""] * 7]


def test_changes_show_in_the_metadata_etag_alone(pmc: PmcBucket) -> None:
    first, second, third = pmc.fill(3)
    before = {key: ask(pmc.standin, f"/{BUCKET}/{key}")[1]["etag"] for key in pmc.standin.keys(BUCKET)}
    pmc.change(first)
    pmc.retract(second)
    pmc.remove(third)
    after = {key: ask(pmc.standin, f"/{BUCKET}/{key}")[1]["etag"] for key in pmc.standin.keys(BUCKET)}
    changed = {key for key in after if after[key] != before[key]}
    expected = {f"{p}.1/{p}.1.{kind}" for p in (first, second) for kind in ("json", "xml")}
    assert changed == expected | {f"metadata/{p}.1.json" for p in (first, second)}
    assert {key for key in before if key not in after} == {key for key in before if third in key}
    assert list(pmc.truth) == [f"{first}.1"]
    assert b"(corrected 1)" in get(pmc, f"{first}.1/{first}.1.xml")


def test_the_newest_version_decides(pmc: PmcBucket) -> None:
    pmc.add(pmc_trap("versions-1-2-10"), pmc_trap("latest-ineligible"), pmc_trap("prefix-clash"))
    ten = pmc_trap("versions-1-2-10")[-1].name
    assert set(pmc.truth) == {ten, "PMC77.1", "PMC777.1", "PMC7777.2"}
    assert ten.endswith(".10")


def rows_of(bucket: PmcBucket, manifest: dict[str, Any]) -> list[list[str]]:
    rows: list[list[str]] = []
    for file in manifest["files"]:
        data = get(bucket, file["key"])
        assert (len(data), hashlib.md5(data).hexdigest()) == (file["size"], file["MD5checksum"])
        rows += csv.reader(io.StringIO(gzip.decompress(data).decode()))
    return rows


def test_inventories(pmc: PmcBucket) -> None:
    pmc.fill(5)
    key = pmc.inventory("2026-09-07")
    assert key == f"inventory-reports/{BUCKET}/metadata/2026-09-07T01-00Z/manifest.json"
    manifest = json.loads(get(pmc, key))
    assert len(manifest["files"]) == 2
    rows = rows_of(pmc, manifest)
    assert sorted(row[1] for row in rows) == [f"metadata/{name}.json" for name in sorted(pmc.articles)]
    for bucket, place, modified, etag in rows:
        _, headers, _ = ask(pmc.standin, f"/{bucket}/{place}")
        assert (bucket, headers["etag"]) == (BUCKET, f'"{etag}"')
        entries, _ = parse_listing(ask(pmc.standin, f"/{bucket}/?list-type=2&prefix={place}")[2])
        assert entries[0].modified == modified
    days, _ = parse_listing(
        ask(pmc.standin, f"/{BUCKET}/?list-type=2&delimiter=/&prefix=inventory-reports/{BUCKET}/metadata/")[2]
    )
    assert [day.key.rpartition("metadata/")[2] for day in days] == ["2026-09-07T01-00Z/", "data/", "hive/"]


@pytest.mark.real_data
def test_inventories_have_the_shape_of_the_real_ones(pmc: PmcBucket, shared_data: Path) -> None:
    pmc.fill(2)
    manifest = json.loads(get(pmc, pmc.inventory()))
    real = json.loads(
        (shared_data / "interfaces/pmc_s3_new/RECONSTRUCTED_inventory_manifest.json").read_text()
    )
    assert set(real) == set(manifest)
    assert set(real["files"][0]) == set(manifest["files"][0])
    line = (shared_data / "interfaces/pmc_s3_new/inventory_rows_headerless.csv").read_text()
    assert all(each.startswith('"') for each in line.strip().split(","))
    shard = gzip.decompress(get(pmc, manifest["files"][0]["key"])).decode()
    assert re.sub(r"[\w.:/-]+", "x", shard.splitlines()[0]) == re.sub(r"[\w.:/-]+", "x", line.splitlines()[0])


def test_defective_inventories(pmc: PmcBucket) -> None:
    pmc.fill(4)
    reordered = json.loads(get(pmc, pmc.inventory("2026-09-05", schema="Key, ETag, Size, Bucket")))
    assert {row[3] for row in rows_of(pmc, reordered)} == {BUCKET}
    absent = pmc.inventory("2026-09-08", defect="no-manifest")
    assert ask(pmc.standin, f"/{BUCKET}/{absent}")[0] == 404
    mismatch = json.loads(get(pmc, pmc.inventory("2026-09-07", defect="md5-mismatch")))["files"][0]
    assert hashlib.md5(get(pmc, mismatch["key"])).hexdigest() != mismatch["MD5checksum"]
    cut = json.loads(get(pmc, pmc.inventory("2026-09-06", defect="truncated-gz")))["files"][0]
    data = get(pmc, cut["key"])
    assert hashlib.md5(data).hexdigest() == cut["MD5checksum"]
    with pytest.raises(EOFError):
        gzip.decompress(data)


def test_another_bucket_name_is_used_throughout() -> None:
    with S3StandIn() as server:
        bucket = PmcBucket(server, "mirror")
        (pmcid,) = bucket.fill(1)
        stated = json.loads(get(bucket, f"metadata/{pmcid}.1.json"))
        assert stated["xml_url"].startswith("s3://mirror/")
        assert BUCKET not in json.dumps(stated)
        manifest = json.loads(get(bucket, bucket.inventory()))
        assert manifest["sourceBucket"] == "mirror"


# -- MECA content ---------------------------------------------------------------------------------

UNREADABLE = ("no-xml", "truncated")


@pytest.mark.parametrize("trap", ["", *(trap for trap in MECA_TRAPS if trap not in UNREADABLE)])
def test_archives_are_read_by_the_folder_source(tmp_path: Path, trap: str) -> None:
    with S3StandIn() as server:
        archive = MecaBucket(server, server="medrxiv").add(
            "10.64898/2026.01.14.700001", 3, traps=[trap] if trap else []
        )
    (tmp_path / "a.meca").write_bytes(archive.data)
    with FolderSource({"input": str(tmp_path)}) as source:
        refs = [ref for ref in source.plan() if isinstance(ref, ArticleRef)]
        (document,) = source.fetch(refs)
        assert isinstance(document, Document)
        ids = document.article.ids
        assert (ids.doi, ids.version) == ("10.64898/2026.01.14.700001", "1.3")
        assert document.article.license.code == "CC BY"
        shown = {figure.id.rpartition("/")[2]: figure for figure in document.figures}
        assert list(shown) == list(archive.figures)
        for figure, member in archive.figures.items():
            if member:
                assert shown[figure].image.name == member
                assert document.read(shown[figure]) == archive.images[member]
                assert decode(archive.images[member]).width > 100
            else:
                with pytest.raises(InputError):
                    document.read(shown[figure])


@pytest.mark.real_data
def test_archives_have_the_layout_of_the_real_one(shared_data: Path) -> None:
    with zipfile.ZipFile(shared_data / "interfaces/meca/95901-v1-meca.zip") as real:
        real_manifest, real_names = etree.fromstring(real.read("manifest.xml")), real.namelist()
        real_transfer = etree.fromstring(real.read("transfer.xml"))
        mime = real.read("mimetype")
    with zipfile.ZipFile(io.BytesIO(meca_archive("10.64898/2024.01.24.24301711"))) as made:
        manifest, names = etree.fromstring(made.read("manifest.xml")), made.namelist()
        transfer = etree.fromstring(made.read("transfer.xml"))
        assert made.read("mimetype") == mime
        assert made.getinfo("mimetype").compress_type == zipfile.ZIP_STORED
    assert [name for name in names if "/" not in name] == [name for name in real_names if "/" not in name]
    assert "content/24301711.xml" in names
    assert "content/24301711.xml" in real_names
    assert names.index("content/") > names.index("content/24301711v1_fig1.tif")
    assert (manifest.tag, transfer.tag) == (real_manifest.tag, real_transfer.tag)

    def item(root: Any, kind: str) -> list[tuple[str, Any]]:
        return [
            (each.tag, dict(each.attrib))
            for node in root.iterfind(f"{{*}}item[@type='{kind}']")
            for each in node.iter("{*}item", "{*}instance")
        ][:2]

    assert item(manifest, "article") == item(real_manifest, "article")
    assert item(manifest, "figure") == item(real_manifest, "figure")
    assert item(manifest, "transfer-details") == item(real_manifest, "transfer-details")


def test_meca_buckets() -> None:
    with S3StandIn() as server:
        bucket = MecaBucket(server)
        dois = bucket.fill(4, month="December_2025")
        assert {doi.partition("/")[0] for doi in dois} == {"10.1101", "10.64898"}
        old, new = (
            bucket.add(dois[0], 2, traps=["duplicate"]),
            bucket.add("10.1101/2025.12.31.9", traps=["month-end"], month="December_2025"),
        )
        back = bucket.add("10.1101/123456", month="Back_Content/Batch_07")
        assert new.key == f"Current_Content/January_2026/{new.uuid}.meca"
        assert back.key == f"Back_Content/Batch_07/{back.uuid}.meca"
        assert ask(server, f"/{bucket.bucket}/{new.key}")[0] == 403
        signed_header = {
            "Authorization": "AWS4-HMAC-SHA256 Credential=k/20260101/us-east-1/s3/aws4_request, "
            "SignedHeaders=host, Signature=00",
            "x-amz-request-payer": "requester",
        }
        target = f"/{bucket.bucket}/?list-type=2&prefix=Current_Content/"
        entries, _ = parse_listing(ask(server, target, signed_header)[2])
        modified = {entry.key: entry.modified for entry in entries}
        assert len(entries) == 7
        assert modified[new.key].startswith("2025-12-31")
        assert (
            max(modified[key] for key in modified if modified[key][:10] == modified[old.key][:10])
            == modified[old.key]
        )
        assert set(bucket.truth) == {
            f"{dois[0]}v2",
            *(f"{doi}v1" for doi in dois[1:]),
            f"{new.doi}v1",
            f"{back.doi}v1",
        }


def test_reading_an_archive_in_ranges_is_cheap() -> None:
    data = meca_archive("10.64898/2026.01.14.700001")
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        text = sum(info.compress_size for info in archive.infolist() if info.filename.endswith(".xml"))
        assert text < len(data) / 10
        assert data[-22:-18] == b"PK\x05\x06"
