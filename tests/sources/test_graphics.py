"""From href to file: spelling, case, suffixes, folders, manifests."""

from __future__ import annotations

import pytest

from pmcx.core.errors import InputError
from pmcx.sources.graphics import (
    FileIndex,
    is_vector,
    manifest_images,
    package_files,
    split_suffix,
    with_manifest,
)

MANIFEST = b"""<?xml version="1.0"?>
<!DOCTYPE manifest SYSTEM "http://example.org/Manifest.dtd">
<manifest xmlns="http://manuscriptexchange.org" version="1.0">
<item type="article" id="1v1"><instance media-type="application/xml" href="content/1.xml"/></item>
<item id="fig1" type="figure"><instance media-type="image/tiff" href="content/1v1_fig1.tif"/></item>
<item id="fig2" type="inlinefigure">
  <instance media-type="image/gif" href="content\\1v1_fig2.gif"/>
  <instance media-type="IMAGE/JPEG" href="content\\1v1_fig2.jpg"/>
  <instance media-type="text/plain" href="content/1v1_fig2.txt"/></item>
<item type="figure"><instance media-type="image/tiff" href="no-id.tif"/></item>
</manifest>"""


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("fig1.jpg", ("fig1", ".jpg")),
        ("fig1.TIFF", ("fig1", ".tiff")),
        ("pone.0170679.g001", ("pone.0170679.g001", "")),
        ("pone.0170679.g001.tif", ("pone.0170679.g001", ".tif")),
        ("484463v1_fig1", ("484463v1_fig1", "")),
        ("fig1.csv", ("fig1.csv", "")),
        (".jpg", (".jpg", "")),
        ("", ("", "")),
    ],
)
def test_only_known_image_suffixes_are_suffixes(name: str, parts: tuple[str, str]) -> None:
    assert split_suffix(name) == parts


@pytest.mark.parametrize(
    ("href", "files", "expected"),
    [
        ("fig1.jpg", ["fig1.jpg", "fig1.tif"], "fig1.jpg"),
        ("fig1.tif", ["fig1.jpg", "fig1.tif"], "fig1.tif"),
        ("https://example.org/a/b/fig1.jpg?download=1#top", ["fig1.jpg"], "fig1.jpg"),
        ("figures/fig1.jpg", ["fig1.jpg"], "fig1.jpg"),
        ("figures\\fig1.jpg", ["figures/fig1.jpg"], "figures/fig1.jpg"),
        ("FIG1.JPG", ["fig1.jpg"], "fig1.jpg"),
        ("fig1.jpg", ["fig1.jpg", "FIG1.jpg"], "fig1.jpg"),
        ("FIG1.jpg", ["fig1.jpg", "FIG1.jpg"], "FIG1.jpg"),
        ("fig%201.jpg", ["fig 1.jpg"], "fig 1.jpg"),
        ("fig%201.jpg", ["fig%201.jpg", "fig 1.jpg"], "fig%201.jpg"),
        ("fig 1.jpg", ["fig%201.jpg"], "fig%201.jpg"),
        ("fig+1.jpg", ["fig 1.jpg"], "fig 1.jpg"),
        ("fig+1.jpg", ["fig+1.jpg", "fig 1.jpg"], "fig+1.jpg"),
        ("Abb\u0301ildung.jpg", ["Ab\u0062\u0301ildung.jpg"], "Ab\u0062\u0301ildung.jpg"),
        ("caf\u00e9.png", ["cafe\u0301.png"], "cafe\u0301.png"),
        ("pone.0170679.g001", ["pone.0170679.g002.jpg", "pone.0170679.g001.jpg"], "pone.0170679.g001.jpg"),
        ("pone.0170679.g001.tif", ["pone.0170679.g001"], "pone.0170679.g001"),
        ("484463v1_fig1", ["484463v1_fig1"], "484463v1_fig1"),
        ("1v1_fig1.tif", ["1v1_fig1.TIF.jpg"], "1v1_fig1.TIF.jpg"),
        ("gr1", ["gr1.gif", "gr1.jpg", "gr1.tif"], "gr1.jpg"),
        ("gr1", ["gr1.csv", "gr1.xml", "gr10.jpg"], ""),
        ("gr1.jpg", ["gr1.thumbnail.jpg"], ""),
        ("gr1", ["gr1.eps", "gr1.gif"], "gr1.gif"),
        ("gr1.eps", ["gr1.eps", "gr1.png"], "gr1.png"),
        ("gr1.eps", ["gr1.eps"], "gr1.eps"),
        ("../../../etc/passwd", ["fig1.jpg"], ""),
        ("..%2f..%2ffig1.jpg", ["fig1.jpg"], "fig1.jpg"),
        ("", ["fig1.jpg"], ""),
        ("images/", ["images/fig1.jpg"], ""),
        ("http://[", ["fig1.jpg"], ""),
        ("?", ["fig1.jpg"], ""),
    ],
)
def test_href_to_file(href: str, files: list[str], expected: str) -> None:
    for order in (files, files[::-1]):
        assert FileIndex(order, "").resolve([href]) == expected


def test_exact_alternatives_win_over_other_suffixes_of_the_first() -> None:
    index = FileIndex(["a.gif", "b.tif"], "")
    assert index.resolve(["a.jpg", "b.tif"]) == "b.tif"


def test_a_raster_alternative_wins_over_a_vector_file() -> None:
    assert FileIndex(["a.eps", "b.jpg"], "").resolve(["a.eps", "b.jpg"]) == "b.jpg"
    assert is_vector("a.SVGZ") and not is_vector("a") and not is_vector("a.jpg")


def test_lossless_prefers_tiff_among_alternatives_and_stems() -> None:
    index = FileIndex(["a.jpg", "a.tif"], "")
    assert index.resolve(["a.jpg", "a.tif"], "web") == "a.jpg"
    assert index.resolve(["a.jpg", "a.tif"], "lossless") == "a.tif"
    assert index.resolve(["a"], "web") == "a.jpg"
    assert index.resolve(["a"], "lossless") == "a.tif"


def test_nearest_of_equal_names_and_paths_first() -> None:
    names = ["fig1.jpg", "p/fig1.jpg", "p/xml/large/fig1.jpg", "p/xml/fig1.jpg"]
    index = FileIndex(names, "p/xml")
    assert index.resolve(["fig1.jpg"]) == "p/xml/fig1.jpg"
    assert index.resolve(["large/fig1.jpg"]) == "p/xml/large/fig1.jpg"
    assert index.resolve(["../fig1.jpg"]) == "p/fig1.jpg"
    assert index.resolve(["p/fig1.jpg"]) == "p/fig1.jpg"
    assert index.resolve(["../../../../fig1.jpg"]) == "p/xml/fig1.jpg"


def test_packages_in_one_archive_lend_each_other_nothing() -> None:
    names = ["PMC1/a.nxml", "PMC1/img/fig1.jpg", "PMC2/b.nxml", "PMC2/fig2.jpg", "shared.jpg"]
    files = package_files(names)
    assert files("PMC1/a.nxml") == ["PMC1/a.nxml", "PMC1/img/fig1.jpg"]
    assert files("PMC2/b.nxml") == ["PMC2/b.nxml", "PMC2/fig2.jpg"]


def test_a_lone_article_has_the_whole_archive() -> None:
    names = ["manifest.xml", "content/xml/1.xml", "content/fig1.tif", "other/fig2.tif", "mimetype"]
    assert sorted(package_files(names)("content/xml/1.xml")) == sorted(names)


def test_a_package_one_level_down_keeps_its_own_parent() -> None:
    names = ["PMC1/xml/a.nxml", "PMC1/fig1.jpg", "PMC2/xml/b.nxml", "PMC2/fig1.jpg"]
    files = package_files(names)
    assert files("PMC1/xml/a.nxml") == ["PMC1/xml/a.nxml", "PMC1/fig1.jpg"]
    assert files("PMC2/xml/b.nxml") == ["PMC2/xml/b.nxml", "PMC2/fig1.jpg"]


def test_articles_in_one_folder_share_it() -> None:
    names = ["t/1.xml", "t/2.xml", "t/1-gf1.tif", "t/2-gf1.tif"]
    assert package_files(names)("t/2.xml") == names


def test_manifest_items_by_id() -> None:
    assert manifest_images(MANIFEST, "x") == {
        "fig1": ("x/content/1v1_fig1.tif",),
        "fig2": ("x/content\\1v1_fig2.gif", "x/content\\1v1_fig2.jpg"),
    }
    assert manifest_images(b"<dar><assets><asset id='fig1' path='fig1.jpg'/></assets></dar>") == {}
    with pytest.raises(InputError, match="no XML"):
        manifest_images(b"")


def test_manifest_settles_which_of_two_equal_names() -> None:
    index = FileIndex(["content/fig1.tif", "revised/fig1.tif", "content/a.xml"], "content")
    assert index.resolve(with_manifest(["fig1.tif"], ["revised/fig1.tif"])) == "revised/fig1.tif"
    assert index.resolve(["fig1.tif"]) == "content/fig1.tif"


def test_manifest_stands_in_for_an_href_without_file_but_never_overrules_one_with() -> None:
    listed = manifest_images(MANIFEST)["fig2"]
    index = FileIndex(["content/1v1_fig2.jpg", "content/other.jpg"], "content")
    assert index.resolve(with_manifest(["renamed.tif"], listed)) == "content/1v1_fig2.jpg"
    assert index.resolve(with_manifest(["other.jpg"], listed)) == "content/other.jpg"
