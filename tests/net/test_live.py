"""``pmcx check-live`` against stand-ins: faithful ones, and ones that break exactly one assumption."""

from __future__ import annotations

import gzip
import hashlib
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from standins.biorxiv_api import BiorxivStandIn
from standins.content import MecaBucket, PmcArticle, PmcBucket, pmc_article, pmc_trap
from standins.eutils import EutilsStandIn
from standins.http import Reply, Request
from standins.s3 import S3StandIn

from pmcx.core.cli import main
from pmcx.core.cli.live import Finding, Recorder, findings, without_secrets
from pmcx.core.net.client import Client
from pmcx.core.net.options import NetOptions
from pmcx.core.stages import LiveCheck, SkippedError, Source
from pmcx.sources.pmc.source import PmcOaSource
from pmcx.sources.preprints.source import BiorxivSource

PMC = "pmc-oa-opendata"
FIRST = 10_000_001
QUICK = {"cache": "none", "attempts": 2, "max_wait": 0.1}
Change = Callable[[Request, Reply], Reply]


class OddS3(S3StandIn):
    """S3 that differs from the real one: ``before`` changes what it is asked, ``after`` what it says."""

    before: Callable[[Request], Request] = staticmethod(lambda request: request)
    after: Change = staticmethod(lambda request, reply: reply)

    def answer(self, request: Request) -> Reply:
        return self.after(request, super().answer(self.before(request)))


def run(source: Source) -> dict[str, Finding]:
    with Client(source.options, {}) as client:
        return {finding.name: finding for finding in findings(source, client, Recorder(None))}


def failed(found: dict[str, Finding]) -> set[str]:
    return {name for name, finding in found.items() if finding.status == "FAILED"}


def skipped(found: dict[str, Finding]) -> set[str]:
    return {name for name, finding in found.items() if finding.status == "skipped"}


# -- PubMed Central -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def eutils() -> Iterator[EutilsStandIn]:
    codes = ["CC0", "CC BY", "CC BY-SA", "CC BY-ND", "CC BY-NC", "CC BY-NC-SA", "CC BY-NC-ND"]
    with EutilsStandIn(per_second=1000) as standin:
        for n in range(10_050):
            day = f"2026-{1 + n % 12:02d}-{1 + n % 28:02d}"
            standin.add(f"PMC{n + 1}", day, codes[n % len(codes)], manuscript=n % 50 == 0)
        yield standin


@pytest.fixture
def s3() -> Iterator[OddS3]:
    with OddS3() as standin:
        yield standin


@pytest.fixture
def bucket(s3: OddS3) -> PmcBucket:
    """A faithful bucket, with its inventory."""
    made = PmcBucket(s3)
    made.fill(3, start=FIRST, figures=2)
    made.add(pmc_trap("tdm"), pmc_trap("versions-1-2-10"))
    s3.put(PMC, "README.txt", b"PMC Open Access Subset\n")
    made.inventory("2026-09-06")
    made.inventory("2026-09-07")
    return made


def pmc(s3: S3StandIn, eutils: EutilsStandIn, **options: Any) -> PmcOaSource:
    return PmcOaSource({**QUICK, "endpoint": s3.url, "eutils": eutils.url, **options})


def test_a_faithful_bucket_keeps_every_assumption(
    s3: OddS3, bucket: PmcBucket, eutils: EutilsStandIn
) -> None:
    found = run(pmc(s3, eutils))
    assert len(found) >= 34
    assert {name: f.seen for name, f in found.items() if f.status != "ok"} == {}
    assert all(finding.seen and finding.expected for finding in found.values())
    assert s3.forbidden == [], "a whole bucket was listed"
    assert len(s3.log) < 80
    # Listings, metadata, one article's XML and one of its images: no supplement, no PDF, no shard whole.
    assert not [
        hit.path for hit in s3.log if hit.path.endswith((".pdf", ".txt")) and "README" not in hit.path
    ]


def test_every_assumption_says_what_to_do_when_it_fails(eutils: EutilsStandIn, s3: OddS3) -> None:
    for source in (pmc(s3, eutils), BiorxivSource({**QUICK, "endpoint": s3.url})):
        with Client(source.options, {}) as client:
            checks = list(source.live_checks(client))
        assert len({check.name for check in checks}) == len(checks)
        for check in checks:
            assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", check.name)
            assert check.assumption and check.advice, check.name


def redo(bucket: PmcBucket, change: Callable[[PmcArticle], None], restate: bool = True) -> None:
    """Change the first article, as an operator would: metadata and inventory agree with the files."""
    article = bucket.articles[f"PMC{FIRST}.1"]
    change(article)
    if restate:
        article.state()
    bucket._put(article)
    bucket.inventory("2026-09-07")


def set_metadata(**values: Any) -> Callable[[PmcBucket], None]:
    return lambda bucket: redo(bucket, lambda article: article.metadata.update(values), restate=False)


def change_xml(old: bytes, new: bytes) -> Callable[[PmcBucket], None]:
    def change(article: PmcArticle) -> None:
        assert old in article.xml
        article.xml = article.xml.replace(old, new)

    return lambda bucket: redo(bucket, change)


def put(key: str, data: bytes = b"x", parts: int = 1) -> Callable[[PmcBucket], None]:
    return lambda bucket: bucket.standin.put(PMC, key, data, parts=parts)


def before(change: Callable[[Request], Request]) -> Callable[[PmcBucket], None]:
    def set_it(bucket: PmcBucket) -> None:
        assert isinstance(bucket.standin, OddS3)
        bucket.standin.before = change

    return set_it


def after(change: Change) -> Callable[[PmcBucket], None]:
    def set_it(bucket: PmcBucket) -> None:
        assert isinstance(bucket.standin, OddS3)
        bucket.standin.after = change

    return set_it


def without(header: str) -> Callable[[Request], Request]:
    return lambda request: replace(
        request, headers={name: value for name, value in request.headers.items() if name != header}
    )


def reversed_listing(request: Request, reply: Reply) -> Reply:
    entries = re.findall(rb"<Contents>.*?</Contents>", reply.body, re.DOTALL)
    if len(entries) < 2:
        return reply
    start = reply.body.index(entries[0])
    end = reply.body.index(entries[-1]) + len(entries[-1])
    return replace(reply, body=reply.body[:start] + b"".join(reversed(entries)) + reply.body[end:])


def hidden_404(request: Request, reply: Reply) -> Reply:
    """What S3 says of an absent object where the bucket may not be listed."""
    body = b"<Error><Code>AccessDenied</Code></Error>"
    return Reply(403, body, {"Content-Type": "application/xml"}) if reply.status == 404 else reply


def thumbnail(article: PmcArticle) -> None:
    name = next(name for name in article.media if name.endswith(".jpg"))
    article.media[name.replace(".jpg", ".gif")] = b"GIF89a"


def bare_hrefs(bucket: PmcBucket) -> None:
    article = pmc_article(FIRST, 2, hrefs=["g001", "g002"])
    article.media = {f"{name}.jpg" if name.startswith("g0") else name: d for name, d in article.media.items()}
    bucket.add(article.state())
    bucket.inventory("2026-09-07")


def rewritten_shard(change: Callable[[str], str]) -> Callable[[PmcBucket], None]:
    """Other rows in the first shard of the inventory, with a manifest that agrees."""

    def rewrite(bucket: PmcBucket) -> None:
        s3 = bucket.standin
        key = bucket.inventory("2026-09-07")
        engine: Any = s3._engine
        manifest = json.loads(engine.answer(Request("GET", f"/{PMC}/{key}", "", {})).body)
        shard = manifest["files"][0]
        data = engine.answer(Request("GET", f"/{PMC}/{shard['key']}", "", {})).body
        made = gzip.compress(change(gzip.decompress(data).decode()).encode(), mtime=0)
        shard["size"], shard["MD5checksum"] = len(made), hashlib.md5(made).hexdigest()
        s3.put(PMC, shard["key"], made)
        s3.put(PMC, key, json.dumps(manifest).encode())

    return rewrite


def no_manifests(bucket: PmcBucket) -> None:
    for key in bucket.standin.keys(PMC, f"inventory-reports/{PMC}/metadata/20"):
        if key.endswith("manifest.json"):
            bucket.standin.delete(PMC, key)


def all_changed(bucket: PmcBucket) -> None:
    for name in list(bucket.articles):
        article = bucket.articles[name]
        article.metadata["title"] = "Another title"
        bucket._put(article)


BREAKS: dict[str, Callable[[PmcBucket], None]] = {
    "readme": lambda bucket: bucket.standin.delete(PMC, "README.txt"),
    "listing-order": after(reversed_listing),
    "absent-key": after(hidden_404),
    "if-match": before(without("if-match")),
    "metadata-keys": set_metadata(is_retracted="false"),
    "licence-codes": set_metadata(license_code="CC BY 4.0"),
    "metadata-mirror": put(f"PMC{FIRST}.1/PMC{FIRST}.1.json", b'{"pmcid": "another"}'),
    "versions": put("PMC10000002.2/PMC10000002.2.xml"),
    "safe-addresses": set_metadata(xml_url=f"s3://elsewhere/PMC{FIRST}.1/PMC{FIRST}.1.xml?md5={32 * '0'}"),
    "flat-folders": put(f"PMC{FIRST}.1/figures/large.jpg"),
    "xml-root": change_xml(b"<article xmlns:xlink", b'<article xmlns="http://jats.nlm.nih.gov" xmlns:xlink'),
    "xml-id": change_xml(
        f'"pmcid-ver">PMC{FIRST}.1'.encode(), f'"pmcid-ver">PMC{FIRST}.2'.encode()
    ),
    "href-suffix": bare_hrefs,
    "href-resolves": change_xml(b"g002.jpg", b"g999.jpg"),
    "thumbnails": lambda bucket: redo(bucket, thumbnail),
    "retired-prefixes": put("oa_comm/xml/all/PMC1.xml"),
    "inventory-folders": no_manifests,
    "inventory-manifest": lambda bucket: bucket.inventory("2026-09-08", schema="Bucket, Key, Size") and None,
    "inventory-csv": rewritten_shard(lambda text: text.replace('"', "")),
    "inventory-scope": rewritten_shard(lambda text: text + text.replace("metadata/", "x/")),
    "inventory-etag": all_changed,
}  # fmt: skip
ALSO = {
    "safe-addresses": {"md5"},  # no address, no promised checksum
    "inventory-manifest": {"inventory-etag"},
}
"""What cannot but fail, too."""


@pytest.mark.parametrize("name", BREAKS)
def test_a_broken_assumption_is_told_by_name(
    name: str, s3: OddS3, bucket: PmcBucket, eutils: EutilsStandIn
) -> None:
    BREAKS[name](bucket)
    found = run(pmc(s3, eutils))
    assert failed(found) == {name} | ALSO.get(name, set()), {n: found[n].seen for n in failed(found)}
    assert found[name].advice


def test_bytes_that_are_not_the_promised_ones(s3: OddS3, bucket: PmcBucket, eutils: EutilsStandIn) -> None:
    article = bucket.articles[f"PMC{FIRST}.1"]
    s3.put(PMC, f"{article.name}/{article.name}.xml", article.xml + b"<!-- -->")
    found = run(pmc(s3, eutils))
    assert failed(found) == {"md5"}
    assert article.metadata["xml_url"].partition("md5=")[2] in found["md5"].seen


def test_an_object_of_several_parts(s3: OddS3, bucket: PmcBucket, eutils: EutilsStandIn) -> None:
    redo(bucket, lambda article: setattr(article, "parts", 2))
    found = run(pmc(s3, eutils))
    assert failed(found) == {"etag"} | ({"inventory-etag"} & failed(found))
    assert "several parts" in found["etag"].seen
    assert "Nothing to set" in found["etag"].advice


def test_a_server_that_knows_no_ranges(s3: OddS3, bucket: PmcBucket, eutils: EutilsStandIn) -> None:
    s3.before = without("range")
    found = run(pmc(s3, eutils))
    assert "range" in failed(found) and "whole object" in found["range"].seen
    assert failed(found) <= {"range", "if-match", "inventory-csv", "inventory-scope", "inventory-etag"}


def test_a_bucket_that_refuses_strangers(s3: OddS3, bucket: PmcBucket, eutils: EutilsStandIn) -> None:
    with s3.refused(PMC):
        found = run(pmc(s3, eutils))
    assert {"anonymous-list", "anonymous-get", "inventory-folders"} <= failed(found)
    assert "403" in found["anonymous-list"].seen
    assert not failed(found) & {"md5", "xml-root", "thumbnails"}, "what could not be looked at did not fail"
    assert {"md5", "xml-root", "thumbnails", "inventory-manifest"} <= skipped(found)
    assert "no article to look at" in found["md5"].seen


def test_where_nobody_answers_it_says_so_and_ends(eutils: EutilsStandIn) -> None:
    with S3StandIn() as gone:
        pass
    found = run(pmc(gone, eutils))
    assert {"anonymous-list", "anonymous-get", "inventory-folders"} <= failed(found)
    assert "ConnectError" in found["anonymous-list"].seen
    assert {"md5", "xml-root", "inventory-csv"} <= skipped(found)
    assert all(f.status == "ok" for name, f in found.items() if name.startswith("esearch"))


def test_the_articles_named_are_looked_at(s3: OddS3, bucket: PmcBucket, eutils: EutilsStandIn) -> None:
    found = run(pmc(s3, eutils, input=["PMC10000003.1"]))
    assert "PMC10000003.1" in found["md5"].seen and failed(found) == set()


class TestSearch:
    """Assumptions on ESearch, one broken each."""

    @pytest.fixture
    def small(self) -> Iterator[EutilsStandIn]:
        with EutilsStandIn(per_second=1000) as standin:
            for n, code in enumerate(["CC0", "CC BY", "CC BY-SA", "CC BY-ND", "CC BY-NC", "CC BY-NC-SA"]):
                standin.add(f"PMC{n + 1}", "2026-01-15", code, manuscript=n == 0)
            standin.add("PMC9", "2026-01-15", "CC BY-NC-ND")
            yield standin

    def found(self, standin: EutilsStandIn, **options: Any) -> dict[str, Finding]:
        with S3StandIn() as s3:
            s3.public(PMC)
            found = run(pmc(s3, standin, **options))
        return {name: finding for name, finding in found.items() if name.startswith("esearch")}

    def test_few_articles_say_nothing_about_the_limit(self, small: EutilsStandIn) -> None:
        found = self.found(small)
        assert failed(found) == set() and skipped(found) == {"esearch-limit"}

    def test_a_filter_that_finds_nothing(self, small: EutilsStandIn) -> None:
        small.remove("PMC9")
        found = self.found(small)
        assert failed(found) == {"esearch-filters"}
        assert "cc_by-nc-nd_license" in found["esearch-filters"].seen

    def test_dates_that_are_ignored(self, small: EutilsStandIn, monkeypatch: pytest.MonkeyPatch) -> None:
        answer = small.answer

        def undated(request: Request) -> Reply:
            return answer(replace(request, query=re.sub(r"\+AND\+2026[^&]*", "", request.query)))

        monkeypatch.setattr(small, "answer", undated)
        assert failed(self.found(small)) == {"esearch-dates"}

    def test_days_without_articles(self, small: EutilsStandIn) -> None:
        found = self.found(small, since="2026-03-01", until="2026-03-31")
        assert "2026-03-01 to 2026-03-31" in found["esearch-dates"].seen
        assert failed(found) == {"esearch-dates"}

    def test_ids_with_letters(self, small: EutilsStandIn, monkeypatch: pytest.MonkeyPatch) -> None:
        answer = small.answer

        def lettered(request: Request) -> Reply:
            reply = answer(request)
            body = re.sub(rb'"idlist": \["(\d)', rb'"idlist": ["PMC\1', reply.body)
            return replace(reply, body=body)

        monkeypatch.setattr(small, "answer", lettered)
        assert failed(self.found(small)) == {"esearch-answer"}

    def test_a_larger_limit(self, eutils: EutilsStandIn, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(eutils, "most", 100_000)
        found = self.found(eutils)
        assert failed(found) == {"esearch-limit"} and "ids beyond" in found["esearch-limit"].seen

    def test_a_query_that_is_never_wrong(self, small: EutilsStandIn, monkeypatch: pytest.MonkeyPatch) -> None:
        answer = small.answer

        def lenient(request: Request) -> Reply:
            reply = answer(request)
            result = json.loads(reply.body)
            if "ERROR" in result["esearchresult"]:
                result["esearchresult"] = {"count": "0", "idlist": []}
            return replace(reply, body=json.dumps(result).encode())

        monkeypatch.setattr(small, "answer", lenient)
        assert failed(self.found(small)) == {"esearch-error"}


# -- preprints ----------------------------------------------------------------------------------


@pytest.fixture
def api() -> Iterator[BiorxivStandIn]:
    with BiorxivStandIn() as standin:
        for n in range(130):
            category = "neuroscience" if n % 2 else "cell biology"
            standin.add(f"10.1101/2026.01.05.{700_001 + n}", date="2026-01-06", category=category)
        yield standin


@pytest.fixture
def archives(s3: OddS3, monkeypatch: pytest.MonkeyPatch) -> MecaBucket:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "a-secret-key")
    made = MecaBucket(s3)
    made.fill(4)
    made.add("10.1101/456574", month="Back_Content/Batch_01")
    return made


def biorxiv(s3: S3StandIn, api: BiorxivStandIn, **options: Any) -> BiorxivSource:
    given = {**QUICK, "endpoint": s3.url, "api": api.url, "requester_pays": True, **options}
    return BiorxivSource(given)


def test_a_faithful_preprint_server(s3: OddS3, archives: MecaBucket, api: BiorxivStandIn) -> None:
    found = run(biorxiv(s3, api))
    assert len(found) >= 18
    assert {name: f.seen for name, f in found.items() if f.status != "ok"} == {}
    sent = sum(hit.bytes for hit in s3.log)
    assert sent < sum(len(archive.data) for archive in archives.archives) / 4, "archives were read whole"


def test_archives_are_not_touched_without_consent(
    s3: OddS3, archives: MecaBucket, api: BiorxivStandIn
) -> None:
    found = run(biorxiv(s3, api, requester_pays=False))
    assert failed(found) == set()
    assert {"month-listing", "archive-range", "archive-figures"} <= skipped(found)
    assert "--requester-pays" in found["month-listing"].seen
    assert [hit.status for hit in s3.log] == [403], "one unsigned request, refused at no cost"


def test_archives_are_skipped_without_credentials(
    s3: OddS3, archives: MecaBucket, api: BiorxivStandIn, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    found = run(biorxiv(s3, api))
    assert failed(found) == set() and "credentials" in found["month-listing"].seen


def rows(change: Callable[[dict[str, Any]], None]) -> Callable[[OddS3, BiorxivStandIn], None]:
    def apply(s3: OddS3, api: BiorxivStandIn) -> None:
        for row in api.rows:
            change(row)

    return apply


def add_archive(**options: Any) -> Callable[[OddS3, BiorxivStandIn], None]:
    return lambda s3, api: MecaBucket(s3).add("10.1101/2026.01.14.1", **options) and None


def ignored_category(s3: OddS3, api: BiorxivStandIn) -> None:
    answer = api.answer
    setattr(api, "answer", lambda request: answer(replace(request, query="")))  # noqa: B010


def stuck_cursor(s3: OddS3, api: BiorxivStandIn) -> None:
    answer = api.answer
    setattr(  # noqa: B010
        api, "answer", lambda request: answer(replace(request, path=request.path.replace("/100/", "/0/")))
    )


PREPRINT_BREAKS: dict[str, Callable[[OddS3, BiorxivStandIn], None]] = {
    "api-keys": rows(lambda row: row.pop("license") and None),
    "doi-prefix": rows(lambda row: row.update(doi=row["doi"].replace("10.1101", "10.77777"))),
    "api-licences": rows(lambda row: row.update(license="cc_by_5")),
    "api-category": ignored_category,
    "api-cursor": stuck_cursor,
    "unsigned-refused": lambda s3, api: s3.public("biorxiv-src-monthly"),
    "month-folders": add_archive(month="Current_Content/2026-01"),
    "batch-folders": add_archive(month="Back_Content/first"),
    "month-listing": lambda s3, api: s3.put(
        "biorxiv-src-monthly", "Current_Content/January_2026/named.meca", b"PK" + bytes(500_000),
        modified="2026-01-14T00:00:00Z",
    ),
    "archive-namespaces": add_archive(traps=["www-namespace"], figures=1),
    "archive-mimetype": add_archive(traps=["no-mimetype"], figures=1),
    "archive-figures": add_archive(traps=["file-without-item"], figures=1),
}  # fmt: skip


@pytest.mark.parametrize("name", PREPRINT_BREAKS)
def test_a_broken_assumption_of_preprints_is_told_by_name(
    name: str, s3: OddS3, archives: MecaBucket, api: BiorxivStandIn
) -> None:
    PREPRINT_BREAKS[name](s3, api)
    found = run(biorxiv(s3, api))
    also = {"api-licences"} if name == "api-keys" else set()
    assert failed(found) == {name} | also, {n: found[n].seen for n in failed(found)}


# -- the command --------------------------------------------------------------------------------


def command(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str]:
    with pytest.raises(SystemExit) as stopped:
        main(["check-live", *words])
    out = capsys.readouterr()
    return int(stopped.value.code or 0), out.out + out.err


@pytest.fixture
def words(s3: OddS3, bucket: PmcBucket, eutils: EutilsStandIn) -> list[str]:
    options = ["--option", f"eutils={eutils.url}", "--option", "api_key=s3cr3t-key"]
    return ["pmc-oa", "--endpoint", s3.url, "--contact", "me@example.org", *options]


def test_the_command_tells_each_assumption(
    capsys: pytest.CaptureFixture[str], words: list[str], s3: OddS3, tmp_path: Path
) -> None:
    code, out = command(capsys, *words, "--save", str(tmp_path / "saved"))
    assert code == 0, out
    assert "ok      xml-root: the XML is an article without a namespace" in out
    assert re.search(r"pmc-oa: (\d+) of \1 assumptions hold, 0 FAILED, 0 skipped", out)
    saved = tmp_path / "saved"
    told = [json.loads(line) for line in (saved / "answers.jsonl").read_text().splitlines()]
    assert {path.name for path in saved.iterdir()} == {"answers.jsonl", *(each["file"] for each in told)}
    # What the fact sheet asks to be kept first: metadata with media_urls, an XML, a manifest, rows.
    kept = {each["file"]: (saved / each["file"]).read_bytes() for each in told}
    assert any(name.endswith(".json") and b"media_urls" in data for name, data in kept.items())
    assert any(name.endswith(".xml") and b"<article" in data for name, data in kept.items())
    assert any(b"fileSchema" in data for data in kept.values())
    assert any(name.startswith("inventory-csv") and data[:2] == b"\x1f\x8b" for name, data in kept.items())
    everything = b"".join(path.read_bytes() for path in saved.iterdir())
    assert b"s3cr3t-key" not in everything and b"me@example.org" not in everything
    assert "s3cr3t-key" not in out
    assert "mailto:me@example.org" in s3.log[0].headers["user-agent"]


def test_the_command_fails_where_an_assumption_does(
    capsys: pytest.CaptureFixture[str], words: list[str], bucket: PmcBucket
) -> None:
    BREAKS["xml-root"](bucket)
    code, out = command(capsys, *words)
    assert code == 1
    assert "FAILED  xml-root" in out and "the root is {http://jats.nlm.nih.gov}article" in out
    assert "do: Nothing to set" in out and out.rstrip().endswith("FAILED: xml-root")
    code, out = command(capsys, *words, "--json")
    report = json.loads(out)
    assert code == 1 and report["ok"] is False and report["source"] == "pmc-oa"
    (one,) = [check for check in report["checks"] if check["status"] == "FAILED"]
    assert one["name"] == "xml-root" and one["expected"] and one["seen"] and one["advice"]
    assert report["requests"] > 40 and report["bytes"] > 1000


def test_the_command_agrees_to_pay(
    capsys: pytest.CaptureFixture[str], s3: OddS3, archives: MecaBucket, api: BiorxivStandIn, tmp_path: Path
) -> None:
    given = ["biorxiv", "--endpoint", s3.url, "--option", f"api={api.url}", "--save", str(tmp_path)]
    code, out = command(capsys, *given)
    assert code == 0 and "skipped month-listing" in out and "if you agree" in out
    code, out = command(capsys, *given, "--requester-pays")
    assert code == 0 and "skipped" not in out.replace("0 skipped", "")
    assert list(tmp_path.glob("month-listing-*.xml"))
    everything = "".join(path.read_text("latin-1") for path in tmp_path.iterdir()) + out
    assert "a-secret-key" not in everything and "AKIDEXAMPLE" not in everything


def test_the_command_says_so_where_there_is_nothing_to_ask(capsys: pytest.CaptureFixture[str]) -> None:
    code, out = command(capsys, "demo")
    assert code == 2 and "asks no service" in out
    code, out = command(capsys, "pmc-ao")
    assert code == 2 and "did you mean 'pmc-oa'" in out


class _Odd(Source):
    name = "odd"
    Options = NetOptions

    def live_checks(self, client: Client) -> Iterator[LiveCheck]:
        yield LiveCheck("trips", "it trips over the answer", lambda: str({}["x"]))
        yield LiveCheck("skips", "cannot be known", self.skip)
        yield LiveCheck("holds", "two is two", lambda: "two")

    def skip(self) -> str:
        raise SkippedError("no way to find out")


def test_a_check_that_trips_fails_and_the_others_go_on() -> None:
    found = run(_Odd({"cache": "none"}))
    assert [(f.name, f.status, f.seen) for f in found.values()] == [
        ("trips", "FAILED", "KeyError: 'x'"),
        ("skips", "skipped", "no way to find out"),
        ("holds", "ok", "two"),
    ]


def test_addresses_are_kept_without_secrets() -> None:
    url = "https://x.org/a?api_key=k1&term=b&email=me%40x.org&X-Amz-Signature=abc"
    assert without_secrets(url) == "https://x.org/a?term=b"
