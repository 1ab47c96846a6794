"""Where a store lies: a folder, or a place in a bucket of an object store that speaks S3."""

from __future__ import annotations

import os
import re
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Self, TypeAlias

from mvi_ray.errors import StoreError, UnreachableError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    import duckdb

# What DuckDB, Delta and URLs read alike: no glob, no code such as %20, no folder `reader=R9`.
_URL = re.compile(r"s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/(?!\.+/|\.+$)[A-Za-z0-9._-]+)*")
_ENDPOINTS = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT")
_SECRETS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
_CONNECT_S, _ANSWER_S, _TRIES = 5.0, 60.0, 3


class Stat(NamedTuple):
    """Size in bytes and time of the last write, named as `os.stat_result` names them."""

    st_size: int
    st_mtime: float


@dataclass(frozen=True, slots=True, order=True)
class Bucket:
    """A place in a bucket, with those methods of a `Path` that a store needs.

    Who may read and write there is for the standard variables and files of AWS to say
    (``AWS_ACCESS_KEY_ID``, ``AWS_PROFILE``, ``AWS_ENDPOINT_URL``, ``AWS_ALLOW_HTTP``). None of it is
    part of the place, so that a place can be shown, stored and sent to workers.

    Every method raises an UnreachableError when the object store does not answer or refuses.

    Args:
        url: ``s3://bucket/prefix/name``.
    """

    url: str

    @classmethod
    def of(cls, url: str) -> Self:
        """The place that a study names.

        Raises:
            StoreError: it is no ``s3://bucket/prefix`` of plain names.
        """
        plain = url.rstrip("/")
        if not _URL.fullmatch(plain):
            # Not shown: somebody may have put a key into it.
            raise StoreError(
                "the store's place is not s3://bucket/prefix of letters, digits, '.', '_' and '-'; "
                "access keys belong into the variables of AWS"
            )
        return cls(plain)

    def __str__(self) -> str:
        return self.url

    def __truediv__(self, name: str) -> Bucket:
        return Bucket(f"{self.url}/{name}")

    @property
    def name(self) -> str:
        """The last part."""
        return self.url.rpartition("/")[2]

    @property
    def parent(self) -> Bucket:
        """The place that this one lies in."""
        return Bucket(self.url.rpartition("/")[0])

    @property
    def _key(self) -> str:
        return self.url.removeprefix("s3://")

    def options(self) -> dict[str, str]:
        """What deltalake is told beside the variables of AWS, which it reads itself."""
        # Of two commits of one version the second fails, as it does in a folder.
        options = {"aws_conditional_put": "etag"}
        endpoint = _endpoint()
        if endpoint is not None:
            options["aws_endpoint_url"] = endpoint
        return options

    def exists(self) -> bool:
        """Whether an object is there."""
        return self._info() is not None

    def is_dir(self) -> bool:
        """Whether objects lie below."""
        from pyarrow.fs import FileType

        with _asking():
            info = _filesystem(_endpoint()).get_file_info(self._key)
        return bool(info.type == FileType.Directory)

    def stat(self) -> Stat:
        """Size and time of an object; FileNotFoundError when it is not there."""
        info = self._info()
        if info is None:
            raise FileNotFoundError(self.url)
        return Stat(info.size, info.mtime.timestamp())

    def _info(self) -> Any:
        from pyarrow.fs import FileType

        with _asking():
            info = _filesystem(_endpoint()).get_file_info(self._key)
        return info if info.type == FileType.File else None

    def files(self, *, below: bool = True) -> list[Bucket]:
        """Objects here, in order.

        Args:
            below: those of deeper folders as well.
        """
        from pyarrow.fs import FileSelector, FileType

        selector = FileSelector(self._key, recursive=below, allow_not_found=True)
        with _asking():
            found = _filesystem(_endpoint()).get_file_info(selector)
        return sorted(Bucket(f"s3://{info.path}") for info in found if info.type == FileType.File)

    @contextmanager
    def open(self, mode: str = "rb") -> Iterator[Any]:
        """An object to be read from any place in it; FileNotFoundError when it is not there."""
        if mode != "rb":
            raise ValueError(mode)
        with _asking(), _filesystem(_endpoint()).open_input_file(self._key) as file:
            yield file

    def read_bytes(self) -> bytes:
        """The whole object; FileNotFoundError when it is not there."""
        with self.open() as file:
            return bytes(file.read())

    def write_bytes(self, data: bytes) -> None:
        """Put an object: whoever reads meanwhile gets the one before or this one, never a part."""
        with _asking(), _filesystem(_endpoint()).open_output_stream(self._key, compression=None) as file:
            file.write(data)

    def unlink(self, *, missing_ok: bool = False) -> None:
        """Remove an object."""
        try:
            with _asking():
                _filesystem(_endpoint()).delete_file(self._key)
        except FileNotFoundError:
            if not missing_ok:
                raise


Place: TypeAlias = Path | Bucket


def placed(file: str) -> Place:
    """A file that a table names as a place."""
    return Bucket(file) if file.startswith("s3://") else Path(file)


def lacks(place: Place, files: Collection[str]) -> bool:
    """Whether one of the files in a place is not there."""
    if isinstance(place, Bucket):
        # One question for all of them.
        return bool(files) and not set(files) <= set(map(str, place.files()))
    return not all(Path(file).exists() for file in files)


def files_below(place: Place) -> list[Place]:
    """Every file in a place and in the folders below, in order; none when there is no such place."""
    if isinstance(place, Bucket):
        return list(place.files())
    return sorted(path for path in place.rglob("*") if path.is_file())


def local(place: Place) -> Path:
    """A place from which a patient can be erased.

    Raises:
        StoreError: it lies in a bucket, which may keep earlier versions of objects and copies of
            its own: nobody could show that nothing is left.
    """
    if isinstance(place, Bucket):
        raise StoreError(
            "no patient is erased from an object store, which may keep earlier versions of its objects; "
            "copy the bucket's prefix to store/ of the project, take `store:` out of study.yaml, erase "
            "there, empty the prefix with all versions, and copy the store back"
        )
    return place


def relative(file: Place, place: Place) -> str:
    """Name of a file below a place, with slashes."""
    return str(file).removeprefix(f"{place}/")


def let_read(connection: duckdb.DuckDBPyConnection, place: Place) -> None:
    """Let DuckDB read what lies in a bucket, for which it would want an extension."""
    if isinstance(place, Bucket) and "s3" not in connection.list_filesystems():
        from fsspec.implementations.arrow import ArrowFSWrapper  # type: ignore[import-untyped]

        with _asking():
            wrapped = ArrowFSWrapper(_filesystem(_endpoint()), skip_instance_cache=True)
        connection.register_filesystem(wrapped)


def _endpoint() -> str | None:
    """The server, when it is not that of AWS.

    Raises:
        UnreachableError: it would send images and values through the network as plain text. On one
            machine of many it is a variable that is missing there, and no fault of what it computes.
    """
    endpoint = next(filter(None, map(os.environ.get, _ENDPOINTS)), None)
    plain = endpoint is not None and endpoint.startswith("http:")
    if plain and os.environ.get("AWS_ALLOW_HTTP", "").lower() not in {"1", "true"}:
        raise UnreachableError(
            "the object store is reached by http, which encrypts nothing; use https, or set "
            "AWS_ALLOW_HTTP=true on every machine when the network between is yours"
        )
    return endpoint


@cache
def _filesystem(endpoint: str | None) -> Any:
    from pyarrow.fs import AwsStandardS3RetryStrategy, S3FileSystem

    return S3FileSystem(
        endpoint_override=endpoint,
        region=os.environ.get("AWS_REGION") or None,
        # One request for a small object, not the three of an upload in parts.
        allow_delayed_open=True,
        connect_timeout=_CONNECT_S,
        request_timeout=_ANSWER_S,
        retry_strategy=AwsStandardS3RetryStrategy(max_attempts=_TRIES),
    )


@contextmanager
def _asking() -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise
    except OSError as error:
        raise UnreachableError(
            f"the object store cannot be used ({reason(error)}); "
            "check the bucket, the variables of AWS (AWS_ENDPOINT_URL, keys, region) and the network"
        ) from None


# How deltalake writes a cause below what it caused.
_CAUSE = re.compile(r"^\s*(?:\x1b\[\d+m)?↳(?:\x1b\[\d+m)?\s*", re.MULTILINE)


def reason(error: BaseException) -> str:
    """The first line of an error and its last cause, without what a server said of the keys it was given."""
    text = str(error)
    code = re.search(r"<Code>(\w+)</Code>", text)
    first, *causes = (re.split(r"[<\r\n]", part, maxsplit=1)[0].rstrip(" :") for part in _CAUSE.split(text))
    said = ": ".join(filter(None, (first, *causes[-1:])))
    for value in filter(None, map(os.environ.get, _SECRETS)):
        said = said.replace(value, "…")
    return f"{said}: {code[1]}" if code else said
