"""moto's S3 as the engine of the stand-in: every answer is moto's own."""

from __future__ import annotations

import http.client
import logging
import threading

from .http import Reply, Request

HOP_BY_HOP = frozenset({"connection", "date", "server", "content-length", "transfer-encoding", "keep-alive"})
SIGNED = (
    "AWS4-HMAC-SHA256 Credential=front/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0"
)
"""moto checks no signature, but answers signed requests only until a bucket policy says otherwise."""


class MotoEngine:
    """A moto server on 127.0.0.1; one at a time in a process, as its objects are global."""

    def start(self) -> None:
        import boto3  # type: ignore[import-untyped]
        from moto.server import ThreadedMotoServer

        logging.getLogger("werkzeug").setLevel(logging.ERROR)
        self._server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
        self._server.start()
        self._host, self._port = self._server.get_host_and_port()
        self._local = threading.local()
        self._forward("POST", "/moto-api/reset", {})
        self._s3 = boto3.client(
            "s3",
            endpoint_url=f"http://{self._host}:{self._port}",
            region_name="us-east-1",
            aws_access_key_id="standin",
            aws_secret_access_key="standin",
        )

    def stop(self) -> None:
        self._server.stop()

    def create(self, bucket: str) -> None:
        self._s3.create_bucket(Bucket=bucket)

    def put(self, bucket: str, key: str, data: bytes, modified: str, parts: int) -> None:
        self._s3.put_object(Bucket=bucket, Key=key, Body=data)

    def delete(self, bucket: str, key: str) -> None:
        self._s3.delete_object(Bucket=bucket, Key=key)

    def keys(self, bucket: str, prefix: str = "") -> list[str]:
        pages = self._s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        return [entry["Key"] for page in pages for entry in page.get("Contents", ())]

    def answer(self, request: Request) -> Reply:
        target = f"{request.path}?{request.query}" if request.query else request.path
        headers = {name: value for name, value in request.headers.items() if name not in HOP_BY_HOP}
        return self._forward(request.method, target, {**headers, "authorization": SIGNED})

    def _forward(self, method: str, target: str, headers: dict[str, str]) -> Reply:
        connection = http.client.HTTPConnection(self._host, self._port, timeout=60)
        try:
            connection.request(method, target, headers=headers)
            answer = connection.getresponse()
            drop = HOP_BY_HOP - {"content-length"} if method == "HEAD" else HOP_BY_HOP
            kept = {name: value for name, value in answer.getheaders() if name.lower() not in drop}
            return Reply(answer.status, answer.read(), kept)
        finally:
            connection.close()
