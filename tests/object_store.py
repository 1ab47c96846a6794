"""A server that speaks S3 on loopback, for tests of stores in a bucket."""

from __future__ import annotations

import subprocess
import sys
from itertools import count
from typing import TYPE_CHECKING

import pytest

from mvi_ray.store.place import Bucket

if TYPE_CHECKING:
    from collections.abc import Iterator

SECRET = "not-a-real-secret-0123456789"  # noqa: S105
KEY = "AKIANOTAREALKEY00000"
# A process of its own: warnings are errors in this one. It ends when this one does.
_SERVER = """
import sys
from moto.server import ThreadedMotoServer
server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
server.start()
print(server.get_host_and_port()[1], flush=True)
sys.stdin.read()
server.stop()
"""
_numbers = count(1)


@pytest.fixture(scope="session")
def object_store() -> Iterator[str]:
    """URL of the server."""
    pytest.importorskip("moto.server", reason="moto is absent: `pip install moto[s3] flask flask-cors`")
    with subprocess.Popen(
        [sys.executable, "-c", _SERVER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        port = server.stdout.readline().strip()
        yield f"http://127.0.0.1:{port}"
        server.stdin.close()


@pytest.fixture
def bucket(object_store: str, monkeypatch: pytest.MonkeyPatch) -> Bucket:
    """An empty place in a new bucket, with the variables of AWS that lead there."""
    for name, value in {
        "AWS_ENDPOINT_URL": object_store,
        "AWS_ALLOW_HTTP": "true",
        "AWS_ACCESS_KEY_ID": KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
    }.items():
        monkeypatch.setenv(name, value)
    from pyarrow.fs import S3FileSystem

    name = f"study-{next(_numbers)}"
    S3FileSystem(endpoint_override=object_store, allow_bucket_creation=True).create_dir(name)
    return Bucket.of(f"s3://{name}/liver/store")
