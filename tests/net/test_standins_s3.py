"""The S3 stand-in: moto and the memory engine agree, and who may read is enforced."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import pytest
from lxml import etree
from standins.raw import ask, error_code
from standins.s3 import S3StandIn

from pmcx.core.net.s3 import parse_listing, requester_pays

OBJECTS = {
    "PMC77.1/PMC77.1.xml": b"<article>77</article>",
    "PMC77.1/fig 1.jpg": b"blank",
    "PMC77.1/fig%202.jpg": b"percent",
    "PMC77.1/fig+3.jpg": b"plus",
    "PMC77.1/fig\u00e94.jpg": b"accent",
    "PMC77.10/a.txt": bytes(range(256)),
    "PMC77.2/a.txt": b"two",
    "PMC777.1/a.txt": b"777",
    "metadata/PMC77.1.json": b"{}",
    "empty": b"",
}
ARCHIVE = "Current Content/\u00e9+1.meca"
FIRST = sorted(key for key in OBJECTS if key.startswith("PMC77.1/"))
ETAG = hashlib.md5(OBJECTS["PMC77.10/a.txt"]).hexdigest()


# -- S3: two engines, one behaviour ---------------------------------------------------------------


@pytest.fixture(scope="module")
def engines() -> Iterator[dict[str, S3StandIn]]:
    with S3StandIn("memory") as memory, S3StandIn("moto") as moto:
        for server in (memory, moto):
            for key, data in OBJECTS.items():
                server.put("pmc-copy", key, data)
            server.public("pmc-copy")
        yield {"memory": memory, "moto": moto}


def listed(body: bytes) -> dict[str, Any]:
    """What a listing says, without what no client may rely on (dates, tokens, the order of elements)."""
    root = etree.fromstring(body)
    space = "{http://s3.amazonaws.com/doc/2006-03-01/}"
    assert root.tag == f"{space}ListBucketResult"
    facts = {
        child.tag.removeprefix(space): child.text or ""
        for child in root
        if not len(child) and "Token" not in child.tag
    }
    entries, token = parse_listing(body)
    return {
        "facts": facts,
        "raw": root.xpath("*[local-name()='Contents' or local-name()='CommonPrefixes']/*[1]/text()"),
        "entries": [(entry.key, entry.size, entry.etag, entry.prefix) for entry in entries],
        "more": bool(token),
    }


@pytest.mark.parametrize(
    ("query", "keys"),
    [
        ({"prefix": "PMC77.", "delimiter": "/"}, ["PMC77.1/", "PMC77.10/", "PMC77.2/"]),
        ({"prefix": "PMC77", "delimiter": "/"}, ["PMC77.1/", "PMC77.10/", "PMC77.2/", "PMC777.1/"]),
        ({"prefix": "PMC77.10/"}, ["PMC77.10/a.txt"]),
        ({"prefix": "PMC9999."}, []),
        ({"prefix": "PMC77.1/", "encoding-type": "url"}, FIRST),
        ({"prefix": "PMC77.1/"}, FIRST),
        ({"delimiter": "/"}, ["empty", "PMC77.1/", "PMC77.10/", "PMC77.2/", "PMC777.1/", "metadata/"]),
        ({"prefix": "PMC7", "start-after": "PMC77.10/a.txt"}, ["PMC77.2/a.txt", "PMC777.1/a.txt"]),
        ({"prefix": "PMC77.", "max-keys": "2"}, ["PMC77.1/PMC77.1.xml", "PMC77.1/fig 1.jpg"]),
        ({"prefix": "PMC77.", "delimiter": "/", "max-keys": "2"}, ["PMC77.1/", "PMC77.10/"]),
    ],
)  # fmt: skip
def test_listings_agree(engines: dict[str, S3StandIn], query: dict[str, str], keys: list[str]) -> None:
    target = f"/pmc-copy/?{urlencode({'list-type': '2', **query})}"
    answers = {name: ask(server, target) for name, server in engines.items()}
    assert [answer[0] for answer in answers.values()] == [200, 200]
    memory, moto = (listed(answers[name][2]) for name in ("memory", "moto"))
    assert memory == moto
    assert [entry[0] for entry in memory["entries"]] == keys


@pytest.mark.parametrize("delimiter", ["", "/"])
@pytest.mark.parametrize("size", [1, 2, 3])
def test_pages_agree(engines: dict[str, S3StandIn], delimiter: str, size: int) -> None:
    pages = {name: list(walk(server, delimiter, size)) for name, server in engines.items()}
    assert pages["memory"] == pages["moto"]
    assert len(pages["memory"]) == -(-(4 if delimiter else 8) // size)


def walk(server: S3StandIn, delimiter: str, size: int) -> Iterator[list[str]]:
    token = ""
    while True:
        query = {"list-type": "2", "prefix": "PMC", "max-keys": str(size)}
        query |= {"delimiter": delimiter} if delimiter else {}
        query |= {"continuation-token": token} if token else {}
        _, _, body = ask(server, f"/pmc-copy/?{urlencode(query)}")
        entries, token = parse_listing(body)
        yield [entry.key for entry in entries]
        if not token:
            return


@pytest.mark.parametrize(
    ("key", "headers", "status"),
    [
        ("PMC77.10/a.txt", {}, 200),
        ("PMC77.10/a.txt?md5=0123", {}, 200),
        ("PMC77.10/a.txt", {"Range": "bytes=0-9"}, 206),
        ("PMC77.10/a.txt", {"Range": "bytes=100-"}, 206),
        ("PMC77.10/a.txt", {"Range": "bytes=-22"}, 206),
        ("PMC77.10/a.txt", {"Range": "bytes=-2200"}, 206),
        ("PMC77.10/a.txt", {"Range": "bytes=250-999"}, 206),
        ("PMC77.10/a.txt", {"Range": "bytes=256-"}, 416),
        ("PMC77.10/a.txt", {"If-Match": f'"{ETAG}"'}, 200),
        ("PMC77.10/a.txt", {"If-Match": f'"{"0" * 32}"'}, 412),
        ("PMC77.10/a.txt", {"If-Match": f'"{ETAG}"', "Range": "bytes=5-6"}, 206),
        ("PMC77.10/a.txt", {"If-None-Match": f'"{ETAG}"'}, 304),
        ("PMC77.10/a.txt", {"If-None-Match": f'"{"0" * 32}"'}, 200),
        ("empty", {}, 200),
        ("absent", {}, 404),
        ("PMC77.1/", {}, 404),
        *((quote(key), {}, 200) for key in OBJECTS if key.startswith("PMC77.1/fig")),
        (quote("PMC77.1/fig%202.jpg", safe="/%"), {}, 404),
        ("PMC77.1/fig+3.jpg", {}, 200),
    ],
)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_objects_agree(
    engines: dict[str, S3StandIn], method: str, key: str, headers: dict[str, str], status: int
) -> None:
    answers = [ask(server, f"/pmc-copy/{key}", headers, method) for server in engines.values()]
    assert [answer[0] for answer in answers] == [status, status]
    memory, moto = answers
    if method == "GET":
        assert error_code(memory[2]) == error_code(moto[2])
    for name in ("etag", "content-range", "accept-ranges") if status in (200, 206) else ():
        assert memory[1].get(name) == moto[1].get(name), name
    if status in (200, 206):
        assert memory[2] == moto[2]
        assert memory[1]["content-length"] == moto[1]["content-length"]


def test_error_codes_are_s3s(engines: dict[str, S3StandIn]) -> None:
    for server in engines.values():
        assert error_code(ask(server, "/pmc-copy/absent")[2]) == "NoSuchKey"
        assert error_code(ask(server, "/no-such-bucket/a")[2]) == "NoSuchBucket"
        assert error_code(ask(server, "/pmc-copy/empty", {"If-Match": '"0"'})[2]) == "PreconditionFailed"
        status, _, body = ask(server, "/pmc-copy/?list-type=2")
        assert (status, error_code(body)) == (403, "AccessDenied")
        assert "/pmc-copy/?list-type=2" in server.forbidden


def test_dates_and_multipart_etags_of_the_memory_engine() -> None:
    with S3StandIn() as server:
        server.put("pmc-copy", "a", b"x" * 100, modified="2026-08-28T12:00:01Z", parts=2)
        server.public("pmc-copy")
        _, headers, _ = ask(server, "/pmc-copy/a")
        entries, _ = parse_listing(ask(server, "/pmc-copy/?list-type=2&prefix=a")[2])
        unchanged, _, _ = ask(server, "/pmc-copy/a", {"If-Modified-Since": headers["last-modified"]})
    halves = b"".join(hashlib.md5(b"x" * 50).digest() for _ in range(2))
    assert headers["etag"] == f'"{hashlib.md5(halves).hexdigest()}-2"'
    assert headers["last-modified"] == "Fri, 28 Aug 2026 12:00:01 GMT"
    assert (entries[0].modified, entries[0].etag) == ("2026-08-28T12:00:01.000Z", headers["etag"].strip('"'))
    assert unchanged == 304


# -- S3: who may read -----------------------------------------------------------------------------


@pytest.fixture
def paying(monkeypatch: pytest.MonkeyPatch) -> Iterator[S3StandIn]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI/K7MDENG")
    monkeypatch.delenv("AWS_SESSION_TOKEN", raising=False)
    with S3StandIn(secrets={"AKIDEXAMPLE": "wJalrXUtnFEMI/K7MDENG"}) as server:
        server.put("monthly", ARCHIVE, b"archive")
        server.requester_pays("monthly")
        yield server


def signed(
    server: S3StandIn, target: str, region: str = "us-east-1", **change: str
) -> tuple[int, dict[str, str], bytes]:
    url = f"{server.url}{target}"
    headers = requester_pays(region)("GET", url, {"range": "bytes=0-3"})
    headers = {name.lower(): value for name, value in headers.items()} | change
    parts = urlsplit(url)
    return ask(server, f"{parts.path}?{parts.query}" if parts.query else parts.path, headers)


def test_requester_pays(paying: S3StandIn) -> None:
    target = f"/monthly/{quote(ARCHIVE)}"
    status, headers, body = signed(paying, target)
    assert (status, headers["x-amz-request-charged"], body) == (206, "requester", b"arch")
    status, headers, body = signed(
        paying, "/monthly/?list-type=2&prefix=Current%20Content%2F&encoding-type=url"
    )
    assert (status, headers["x-amz-request-charged"]) == (200, "requester")
    assert parse_listing(body)[0][0].key == ARCHIVE
    refused = [
        ask(paying, target),
        ask(paying, target, {"x-amz-request-payer": "requester"}),
        signed(paying, target, **{"x-amz-request-payer": "nobody"}),
    ]
    assert [(status, "x-amz-request-charged" in headers) for status, headers, _ in refused] == [
        (403, False)
    ] * 3
    assert error_code(refused[0][2]) == "AccessDenied"


def test_signatures_are_verified(paying: S3StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    target = f"/monthly/{quote(ARCHIVE)}"
    tampered = signed(paying, target, **{"x-amz-date": "20200101T000000Z"})
    assert (tampered[0], error_code(tampered[2])) == (403, "SignatureDoesNotMatch")
    elsewhere = signed(paying, target, region="eu-west-1")
    assert (elsewhere[0], error_code(elsewhere[2])) == (400, "AuthorizationHeaderMalformed")
    unsigned = signed(paying, target, **{"x-amz-meta-more": "1"})
    assert (unsigned[0], error_code(unsigned[2])) == (403, "AccessDenied")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "another")
    assert error_code(signed(paying, target)[2]) == "SignatureDoesNotMatch"
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDOTHER")
    assert error_code(signed(paying, target)[2]) == "InvalidAccessKeyId"


def test_private_buckets_want_credentials(engines: dict[str, S3StandIn]) -> None:
    for server in engines.values():
        with server.refused("pmc-copy"):
            status, _, body = ask(server, "/pmc-copy/empty")
            assert (status, error_code(body)) == (403, "AccessDenied")
        assert ask(server, "/pmc-copy/empty")[0] == 200


def test_boto3_reads_it_as_s3(paying: S3StandIn) -> None:
    import boto3

    s3 = boto3.client("s3", endpoint_url=paying.url, region_name="us-east-1")
    pages = s3.get_paginator("list_objects_v2").paginate(
        Bucket="monthly", Prefix="Current", RequestPayer="requester"
    )
    (entry,) = [entry for page in pages for entry in page["Contents"]]
    got = s3.get_object(Bucket="monthly", Key=entry["Key"], RequestPayer="requester")
    assert (got["Body"].read(), got["RequestCharged"]) == (b"archive", "requester")
    with pytest.raises(s3.exceptions.ClientError, match="AccessDenied"):
        s3.get_object(Bucket="monthly", Key=entry["Key"])
