"""AWS Signature Version 4, verified from the request as it arrived (not with botocore, which signs it).

https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping
from urllib.parse import parse_qsl, quote

from .http import Request

_AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 Credential=([^/]+)/(\d{8})/([^/]+)/s3/aws4_request, ?"
    r"SignedHeaders=([^,]+), ?Signature=([0-9a-f]+)"
)


def signature_problem(
    request: Request, secrets: Mapping[str, str] | None, region: str
) -> tuple[str, str] | None:
    """S3's error code and message for a request's signature, None where it is right.

    Without ``secrets`` (access key -> secret key) only its form and region are looked at.
    """
    match = _AUTHORIZATION.fullmatch(request.headers["authorization"])
    if match is None:
        return "AuthorizationHeaderMalformed", "The authorization header is malformed."
    access, day, signed_region, names, signature = match.groups()
    if signed_region != region:
        wrong = f"The authorization header is malformed; the region '{signed_region}' is wrong: '{region}'"
        return "AuthorizationHeaderMalformed", wrong
    if secrets is None:
        return None
    if access not in secrets:
        return "InvalidAccessKeyId", "The AWS Access Key Id you provided does not exist in our records."
    must = {"host", *(name for name in request.headers if name.startswith("x-amz-"))}
    if not must <= set(names.split(";")):
        return "AccessDenied", "There were headers present in the request which were not signed"
    expected = _signature(request, secrets[access], day, region, names.split(";"))
    if not hmac.compare_digest(expected, signature):
        return (
            "SignatureDoesNotMatch",
            "The request signature we calculated does not match the one you provided.",
        )
    return None


def _signature(request: Request, secret: str, day: str, region: str, names: list[str]) -> str:
    query = sorted(
        (quote(name, safe="-_.~"), quote(value, safe="-_.~"))
        for name, value in parse_qsl(request.query, keep_blank_values=True)
    )
    canonical = "\n".join([
        request.method,
        request.path,
        "&".join(f"{name}={value}" for name, value in query),
        *(f"{name}:{' '.join(request.headers.get(name, '').split())}" for name in names),
        "",
        ";".join(names),
        request.headers.get("x-amz-content-sha256", ""),
    ])  # fmt: skip
    scope = f"{day}/{region}/s3/aws4_request"
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    text = f"AWS4-HMAC-SHA256\n{request.headers.get('x-amz-date', '')}\n{scope}\n{digest}"
    key = f"AWS4{secret}".encode()
    for step in (day, region, "s3", "aws4_request"):
        key = hmac.new(key, step.encode(), hashlib.sha256).digest()
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
