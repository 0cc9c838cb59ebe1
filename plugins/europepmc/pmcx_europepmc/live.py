"""What the source takes for granted about the service (``pmcx check-live europepmc``)."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Sequence
from functools import cached_property

from pmcx import InputError, PmcxError
from pmcx.remote import Checks, NotFoundError, SkippedError, assumes, expect, some

from .records import Found, fingerprint, license_of, locator, text
from .service import Service

QUERY = 'OPEN_ACCESS:y AND HAS_FT:y AND LICENSE:"cc by"'


class ServiceChecks(Checks):
    """Checks of the REST service. ``names`` (``PMC123``) are looked at instead of what a search finds."""

    advice = "Nothing to set: update the plugin, or use the source pmc-oa for the same articles."

    def __init__(self, service: Service, names: Sequence[str] = ()) -> None:
        self.service, self.names = service, list(names)

    @cached_property
    def page(self) -> list[Found]:
        """A few open access articles."""
        if self.names:
            return list(self.service.look_up(self.names[:5]).values())
        return [record for record, _ in zip(self.service.search(QUERY), range(5), strict=False)]

    @cached_property
    def article(self) -> Found:
        try:
            found = [record for record in self.page if locator(record).startswith("PMC")]
        except PmcxError as error:
            raise SkippedError(f"no article to look at: {error}") from error
        if not found:
            raise SkippedError("no open access article with a PMCID to look at (see search)")
        return found[0]

    @assumes("search", "a search gives results with id, source, pmcid, license and isOpenAccess")
    def search(self) -> str:
        expect(self.page, f"nothing for {QUERY!r}")
        for record in self.page:
            missing = {"id", "source", "isOpenAccess"} - set(record)
            expect(not missing, f"{text(record, 'id')} has no {', '.join(sorted(missing))}")
        named = [name for record in self.page if (name := locator(record))]
        expect(named, f"no PMCID among {some([text(record, 'id') for record in self.page])}")
        return f"{len(self.page)} results, such as {named[0]}"

    @assumes("cursor", "cursorMark leads from page to page without repeating an article")
    def cursor(self) -> str:
        small = Service(self.service.client, self.service.base, 2)
        query = " OR ".join(f"PMCID:{name}" for name in self.names) or QUERY
        names = [text(record, "id") for record, _ in zip(small.search(query), range(6), strict=False)]
        if len(names) < 3:
            raise SkippedError(f"only {len(names)} results: one page")
        expect(len(set(names)) == len(names), f"repeated: {names}")
        return f"{len(names)} results in pages of 2"

    @assumes("look-up", "articles are found by PMCID, several in one query")
    def look_up(self) -> str:
        names = [name for record in self.page if (name := locator(record)).startswith("PMC")]
        found = self.service.look_up([*names, "PMC99999999999"])
        expect(set(found) == set(names), f"asked for {some(names)}, got {some(found)}")
        return some(sorted(found))

    @assumes(
        "revision", "records tell when the article changed",
        "Nothing is cached, and `--extend` does not see changes.",
    )  # fmt: skip
    def revision(self) -> str:
        expect(fingerprint(self.article), f"{locator(self.article)} has {some(sorted(self.article))}")
        return f"{locator(self.article)}: {fingerprint(self.article)}"

    @assumes("license", "the licence is written like `cc by-nc`", "Licences are taken from the text alone.")
    def license(self) -> str:
        codes = {text(record, "license"): license_of(record).code for record in self.page}
        odd = [stated for stated, code in codes.items() if stated and code == "unknown"]
        expect(not odd, some(odd))
        return ", ".join(f"{stated or 'none'} = {code}" for stated, code in codes.items())

    @assumes("full-text", "fullTextXML is a JATS article with its PMCID")
    def full_text(self) -> str:
        from pmcx.remote import scan

        name = locator(self.article)
        data = self.service.client.get(self.service.text_url(name), kind="xml").body
        heads = scan(data)
        expect(len(heads) == 1, f"{len(heads)} articles")
        expect(heads[0].ids.pmcid == name, f"the text of {name} says {heads[0].ids.pmcid or 'nothing'}")
        return f"{name}: {len(data)} bytes"

    @assumes(
        "no-full-text",
        "without a full text the answer is 404",
        "Such articles fail instead of being dropped.",
    )
    def no_full_text(self) -> str:
        try:
            self.service.client.get(self.service.text_url("PMC99999999999"))
        except NotFoundError as error:
            return str(error).rpartition(": ")[2]
        except InputError as error:
            raise AssertionError(str(error)) from error
        raise AssertionError("an article that should not exist was answered")

    @assumes(
        "archive", "supplementaryFiles is a flat ZIP with the images of the figures",
        "Raise `max_seconds` and `timeout` where it is only slow.",
    )  # fmt: skip
    def archive(self) -> str:
        name = locator(self.article)
        data = self.service.client.get(self.service.files_url(name), kind="zip").body
        names = zipfile.ZipFile(io.BytesIO(data)).namelist()
        deep = [each for each in names if "/" in each.rstrip("/")]
        expect(not deep, f"in folders: {some(deep)}")
        return f"{name}: {len(names)} files, such as {some(names)}; {len(data)} bytes"
