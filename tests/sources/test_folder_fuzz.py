"""Thousands of damaged packages: only InputError and TransientError ever, and no file written."""

from __future__ import annotations

import gzip
import io
import posixpath
import random
import sys
import tarfile
import zipfile
import zlib
from collections import Counter
from pathlib import Path
from unicodedata import normalize

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from pmcx.core.decode import ImageLimits, decode
from pmcx.core.errors import InputError, TransientError, UsageError
from pmcx.core.records import Failure, to_json
from pmcx.core.stages import Document
from pmcx.sources.folder import FolderSource
from pmcx.sources.graphics import FileIndex, manifest_images, package_files
from pmcx.sources.packages import safe_name

ARTICLE = b"""<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE article PUBLIC "-//NLM//DTD JATS v1.2//EN" "JATS-archivearticle1.dtd">
<article xmlns:xlink="http://www.w3.org/1999/xlink" article-type="research-article"><front><article-meta>
<article-id pub-id-type="doi">10.1101/2024.01.24.24301711</article-id><article-version>1.2</article-version>
<title-group><article-title>Of <italic>mice</italic></article-title></title-group>
<permissions><license xlink:href="http://creativecommons.org/licenses/by/4.0/"/></permissions></article-meta>
</front><body><sec id="s1"><title>Results</title><p id="p1">See
<xref ref-type="fig" rid="fig1">Fig. 1A</xref>&#x2013;C and <xref ref-type="fig" rid="fig2">2</xref>.</p>
<fig id="fig1"><label>Fig. 1</label><caption>
<title>Mice.</title><p>(A) One. (B) Two &amp; three.</p></caption>
<alternatives><graphic xlink:href="1v1_fig1.tif"/><graphic xlink:href="1v1_fig1.jpg"/></alternatives></fig>
<fig-group id="g"><caption><p>Group.</p></caption><fig id="fig2"><label>Fig. 2</label>
<graphic xlink:href="sub\\fig%202.png?x=1"/></fig></fig-group>
<fig id="fig3"><graphic xlink:href="../gone"/></fig>
</sec></body>
<sub-article article-type="reply"><front-stub/><body><fig id="fig1"><graphic xlink:href="r"/></fig>
</body></sub-article></article>"""
MANIFEST = b"""<manifest xmlns="http://manuscriptexchange.org"><item type="article" id="1v1"><instance
media-type="application/xml" href="content/1.xml"/></item><item id="fig1" type="figure"><instance
media-type="image/tiff" href="content/1v1_fig1.tif"/></item></manifest>"""


def picture(kind: str) -> bytes:
    out = io.BytesIO()
    Image.linear_gradient("L").resize((16, 12)).convert("RGB").save(out, kind)
    return out.getvalue()


MEMBERS = {
    "content/1.xml": ARTICLE,
    "content/1v1_fig1.tif": picture("TIFF"),
    "content/sub/fig 2.png": picture("PNG"),
    "content/r.jpg": picture("JPEG"),
    "manifest.xml": MANIFEST,
    "mimetype": b"application/meca+zip",
}


def zip_of(members: dict[str, bytes], method: int) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as file:
        for name, data in members.items():
            file.writestr(name, data)
    return out.getvalue()


def tar_of(members: dict[str, bytes], style: int) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=style) as file:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            file.addfile(info, io.BytesIO(data))
    return out.getvalue()


LONG = {f"{'long-folder-name/' * 8}{name}": data for name, data in MEMBERS.items()}
BASES = [
    ("zip", zip_of(MEMBERS, zipfile.ZIP_DEFLATED)),
    ("meca", zip_of(MEMBERS, zipfile.ZIP_STORED)),
    ("tar", tar_of(MEMBERS, tarfile.USTAR_FORMAT)),
    ("tar", tar_of(LONG, tarfile.GNU_FORMAT)),
    ("tar", tar_of({**LONG, "caf\u00e9.jpg": b"x"}, tarfile.PAX_FORMAT)),
]


def mutate(data: bytes, other: bytes, rng: random.Random) -> bytes:
    out = bytearray(data)
    way = rng.randrange(5)
    if way == 0:
        for _ in range(rng.choice((1, 2, 8, 40))):
            out[rng.randrange(len(out))] = rng.choice((0, 0x7F, 0x80, 0xFF, rng.randrange(256)))
    elif way == 1:
        del out[rng.randrange(len(out)) :]
    elif way == 2:
        at, start = rng.randrange(len(out)), rng.randrange(len(other))
        out[at : at + rng.randrange(200)] = other[start : start + rng.randrange(200)]
    elif way == 3:  # archives keep their facts at the end (ZIP) and every 512 bytes (tar)
        for _ in range(rng.choice((1, 4))):
            out[max(0, len(out) - 1 - rng.randrange(600))] = rng.randrange(256)
    else:
        block = 512 * rng.randrange(max(1, len(out) // 512))
        out[min(len(out) - 1, block + rng.choice((0, 100, 124, 130, 148, 156, 157)))] = rng.randrange(256)
    return bytes(out)


def memory() -> int:
    """Peak memory of this process so far, in bytes."""
    resource = pytest.importorskip("resource")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return int(peak * (1 if sys.platform == "darwin" else 1024))


def drive(source: FolderSource) -> str:
    """Plan, fetch, read and decode everything; what came of it."""
    try:
        plan = list(source.plan())
    except UsageError:
        return "nothing to plan"
    to_json(plan)
    outcome = "read"
    for answer in source.fetch(plan):
        if isinstance(answer, Failure):
            assert answer.kind in ("input", "transient") and answer.error
            to_json(answer)
            outcome = "failed"
            continue
        assert isinstance(answer, Document)
        to_json([answer.article, answer.figures, answer.drops])
        for figure in answer.figures:
            try:
                decode(answer.read(figure), ImageLimits(max_pixels=1_000_000))
            except (InputError, TransientError) as error:
                assert str(error)
        answer.close()
    return outcome


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("packed", [False, True])
def test_1500_damaged_archives(packed: bool, tmp_path: Path) -> None:
    """Damage in the archive as it lies there; and, for tar, inside an intact gzip stream."""
    rng = random.Random(7 + packed)
    bases = [base for base in BASES if base[0] == "tar"] if packed else BASES
    before = memory()
    outcomes: Counter[str] = Counter()
    for _ in range(1500):
        (kind, data), (_, other) = rng.choice(bases), rng.choice(bases)
        data = mutate(data, other, rng)
        if packed:
            data = gzip.compress(data, 1, mtime=0)
            if rng.random() < 0.2:
                data = mutate(data, other, rng)
        name = rng.choice(("PMC7", "x")) + (".tar.gz" if packed else f".{kind}")
        path = tmp_path / name
        path.write_bytes(data)
        outcomes[drive(FolderSource({"input": str(path)}))] += 1
        assert [item.name for item in tmp_path.iterdir()] == [name]
        path.unlink()
    assert outcomes["read"] > 50 and outcomes["failed"] > 300, outcomes
    assert memory() - before < 256 << 20


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_2000_damaged_articles(tmp_path: Path) -> None:
    rng = random.Random(11)
    for name, data in MEMBERS.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    names = sorted(item.name for item in tmp_path.rglob("*"))
    before = memory()
    outcomes: Counter[str] = Counter()
    for _ in range(2000):
        xml, manifest = ARTICLE, MANIFEST
        if rng.random() < 0.8:
            xml = mutate(xml, MANIFEST, rng)
        else:
            manifest = mutate(manifest, ARTICLE, rng)
        (tmp_path / "content" / "1.xml").write_bytes(xml)
        (tmp_path / "manifest.xml").write_bytes(manifest)
        outcomes[drive(FolderSource({"input": str(tmp_path)}))] += 1
    assert sorted(item.name for item in tmp_path.rglob("*")) == names
    assert outcomes["read"] > 500 and outcomes["failed"] > 50, outcomes
    assert memory() - before < 256 << 20


NAME = st.text(alphabet=st.sampled_from("abAB.\\/%2 é\u0301\x00:~-_"), max_size=16)


@settings(deadline=None)
@given(st.one_of(NAME, st.text(max_size=30)))
def test_a_safe_name_stays_inside(raw: str) -> None:
    name = safe_name(raw)
    if name is not None:
        assert name and not name.startswith("/") and "\\" not in name and "\0" not in name
        assert posixpath.normpath(name) == name and ".." not in name.split("/")
        assert safe_name(name) == name
        name.encode()


@settings(deadline=None)
@given(st.lists(NAME, max_size=6), st.lists(NAME, max_size=8), NAME)
def test_resolving_gives_a_listed_file_or_nothing(hrefs: list[str], files: list[str], base: str) -> None:
    names = [name for name in map(safe_name, files) if name]
    found = FileIndex(names, base).resolve(hrefs)
    assert found == "" or found in names
    assert FileIndex(names[::-1], base).resolve(hrefs) == found
    for name in names:
        if name == name.strip():  # a name as written finds a file of just this name
            exact = FileIndex(names, "").resolve([name])
            assert normalize("NFC", exact.rpartition("/")[2]) == normalize("NFC", name.rpartition("/")[2])


@settings(deadline=None)
@given(
    st.lists(
        st.sampled_from(["a/x.xml", "a/1.jpg", "a/b/2.jpg", "a/b/y.xml", "c/3.jpg", "4.jpg"]), unique=True
    )
)
def test_no_file_belongs_to_two_folders_of_articles(names: list[str]) -> None:
    files = package_files(names)
    folders = {name.rpartition("/")[0]: files(name) for name in names if name.endswith(".xml")}
    shared = [file for files in folders.values() for file in files]
    assert len(shared) == len(set(shared)) and set(shared) <= set(names)


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_as_manifest(data: bytes) -> None:
    for text in (data, MANIFEST[: len(data)], MANIFEST[: len(data)] + data):
        try:
            manifest_images(text)
        except InputError as error:
            assert "manifest" in str(error)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    members=st.lists(st.tuples(NAME, st.binary(max_size=40)), max_size=6),
    kind=st.sampled_from(["zip", "tar", "tar.gz"]),
)
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_any_member_names(tmp_path: Path, members: list[tuple[str, bytes]], kind: str) -> None:
    whole = {"a.xml": ARTICLE, **{name: data for name, data in members if name.split("\0")[0]}}
    data = zip_of(whole, zipfile.ZIP_DEFLATED) if kind == "zip" else tar_of(whole, tarfile.PAX_FORMAT)
    path = tmp_path / f"x.{kind}"
    path.write_bytes(gzip.compress(data) if kind == "tar.gz" else data)
    drive(FolderSource({"input": str(path)}))
    assert [item.name for item in tmp_path.iterdir()] == [path.name]
    path.unlink()


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    data=st.binary(max_size=300), head=st.sampled_from([b"PK\3\4", b"PK\5\6", b"\x1f\x8b\x08\0", b"", b"<"])
)
def test_any_bytes_as_archive(tmp_path: Path, data: bytes, head: bytes) -> None:
    path = tmp_path / "PMC1.tar.gz"
    for content in (head + data, gzip.compress(data), zlib.compress(data)):
        path.write_bytes(content)
        assert drive(FolderSource({"input": str(tmp_path)})) == "failed"
