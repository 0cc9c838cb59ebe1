"""Reading S3 buckets over the shared client: anonymous, or signed with requester pays.

Protocol: Amazon S3 REST API, ListObjectsV2 and GetObject. Signing uses botocore (an extra), with
credentials from the usual AWS chain only.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

from ..errors import InputError, PluginError, TransientError, UsageError
from .checks import Kind
from .client import Client, Response, Sign

AWS = "https://{bucket}.s3.amazonaws.com"


@dataclass(frozen=True)
class Entry:
    """One object of a listing, or (with ``prefix``) a common prefix, whose other fields are empty."""

    key: str
    size: int = 0
    etag: str = ""
    modified: str = ""
    prefix: bool = False


class Bucket:
    """One bucket. ``endpoint`` replaces AWS (path style: ``endpoint/bucket/key``)."""

    def __init__(self, client: Client, name: str, endpoint: str = "", sign: Sign | None = None) -> None:
        self.client, self.name, self.sign = client, name, sign
        self.base = f"{endpoint.rstrip('/')}/{name}" if endpoint else AWS.format(bucket=name)

    def url(self, key: str) -> str:
        """The address of an object; InputError for a key that a client would rewrite on the way."""
        return f"{self.base}/{quote(safe_key(key), safe='/')}"

    def get(
        self,
        key: str,
        *,
        md5: str = "",
        size: int | None = None,
        kind: Kind = "any",
        cache_key: str = "",
        byte_range: tuple[int, int] | None = None,
        if_match: str = "",
        check: Callable[[bytes], str] | None = None,
        fresh: bool = False,
    ) -> Response:
        """One object, as :meth:`Client.get`."""
        return self.client.get(
            self.url(key),
            md5=md5,
            size=size,
            kind=kind,
            cache_key=cache_key,
            byte_range=byte_range,
            if_match=if_match,
            sign=self.sign,
            check=check,
            fresh=fresh,
        )

    def list(self, prefix: str, delimiter: str = "", start_after: str = "") -> Iterator[Entry]:
        """Objects (and common prefixes) below a prefix, in the server's order, page by page."""
        token = ""
        seen: set[str] = set()
        while True:
            query = {"list-type": "2", "prefix": prefix, "encoding-type": "url"}
            if delimiter:
                query["delimiter"] = delimiter
            if token:
                query["continuation-token"] = token
            elif start_after:
                query["start-after"] = start_after
            url = f"{self.base}/?{urlencode(query)}"
            page = self.client.get(url, kind="xml", sign=self.sign, check=_listing_problem)
            entries, token = parse_listing(page.body)
            yield from entries
            if not token:
                return
            if token in seen:
                raise TransientError(f"{self.base}/: the listing of {prefix!r} goes round in circles")
            seen.add(token)


def parse_listing(data: bytes) -> tuple[list[Entry], str]:
    """The entries of a ListObjectsV2 answer and the token of the next page ('' at the end).

    InputError for anything else, and for a page that is not the last one but names no next.
    """
    from urllib.parse import unquote_plus

    from lxml import etree

    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False)
    try:
        root = etree.fromstring(data, parser)
    except etree.XMLSyntaxError as error:
        raise InputError(f"not a bucket listing: {error}") from error

    if etree.QName(root).localname != "ListBucketResult":
        raise InputError(f"not a bucket listing but <{etree.QName(root).localname}>")

    def text(node: Any, name: str) -> str:
        found = node.find(f"{{*}}{name}")
        return (found.text or "") if found is not None else ""

    decode = unquote_plus if text(root, "EncodingType") == "url" else str
    entries = [
        Entry(
            key=decode(text(node, "Key")),
            size=int(text(node, "Size") or 0),
            etag=text(node, "ETag").strip('"'),
            modified=text(node, "LastModified"),
        )
        for node in root.iterfind("{*}Contents")
    ]
    entries += [
        Entry(key=decode(text(node, "Prefix")), prefix=True) for node in root.iterfind("{*}CommonPrefixes")
    ]
    more = text(root, "IsTruncated").strip().lower() in ("true", "1")
    token = text(root, "NextContinuationToken") if more else ""
    if more and not token:
        raise InputError("a part of a bucket listing that does not say how to go on")
    return entries, token


def _listing_problem(data: bytes) -> str:
    try:
        parse_listing(data)
    except (InputError, ValueError) as error:
        return str(error)
    return ""


def safe_key(key: str) -> str:
    """The key itself; InputError where it could name another object or file than it says.

    HTTP clients collapse ``..`` before sending, so such a name would fetch something else.
    """
    parts = key.split("/")
    rewritten = any(part in ("", ".", "..") for part in parts)
    drive = parts[0][1:2] == ":"
    if rewritten or drive or "\\" in key or "\0" in key:
        raise InputError(f"unsafe object name {key!r}")
    return key


def requester_pays(region: str = "us-east-1") -> Sign:
    """Signs requests and agrees to pay for them; UsageError without AWS credentials."""
    try:
        from botocore.auth import S3SigV4Auth
        from botocore.awsrequest import AWSRequest
        from botocore.exceptions import BotoCoreError
        from botocore.session import get_session
    except ImportError as error:
        raise PluginError("signed S3 requests need botocore: pip install 'pmcx-extract[aws]'") from error
    try:
        credentials = get_session().get_credentials()
    except BotoCoreError as error:  # a profile that does not exist, a broken configuration file
        raise UsageError(f"AWS credentials: {error}") from error
    if credentials is None:
        raise UsageError("requester-pays buckets need AWS credentials (environment, ~/.aws, or a role)")

    # Its debug log holds signatures and the session token.
    logging.getLogger("botocore.auth").setLevel(logging.INFO)

    def sign(method: str, url: str, headers: dict[str, str]) -> dict[str, str]:
        request = AWSRequest(method, url, headers={**headers, "x-amz-request-payer": "requester"})
        S3SigV4Auth(credentials.get_frozen_credentials(), "s3", region).add_auth(request)
        return dict(request.headers.items())

    return sign
