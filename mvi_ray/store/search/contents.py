"""What lies in a file: decoded as deep as it goes, and searched in blocks."""

from __future__ import annotations

import bz2
import io
import lzma
import tarfile
import tempfile
import zipfile
import zlib
from collections import Counter, defaultdict
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import IO, TYPE_CHECKING

from mvi_ray.store.search.columns import Columns
from mvi_ray.store.search.matcher import is_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from mvi_ray.store.search.matcher import Matcher

_BLOCK = 4 << 20
_TEXT_BLOCK = 32 << 20
_HEAD = 512
_SUFFIXES = {
    ".gz": "gzip",
    ".tgz": "gzip",
    ".zip": "zip",
    ".npz": "zip",
    ".skops": "zip",
    ".parquet": "parquet",
    ".duckdb": "duckdb",
    ".bz2": "bzip2",
    ".xz": "xz",
    ".npy": "npy",
}
_FOREIGN = (
    *(b"\x28\xb5\x2f\xfd", b"\x04\x22\x4d\x18", b"7z\xbc\xaf\x27\x1c", b"Rar!\x1a\x07", b"ARROW1"),
    *(b"\x89HDF\r\n\x1a\n", b"SQLite format 3\0", b"%PDF-"),
)


@dataclass(frozen=True, slots=True)
class Limits:
    """How far one file is decoded; what lies beyond is reported, not passed over.

    Args:
        depth: containers inside each other.
        decoded: bytes that one file may decode to, in all. A gzip file of zeros grows a
            thousandfold, so a small one could keep the search busy for days.
        held: bytes of a container inside another one, which is held in memory.
    """

    depth: int = 6
    decoded: int = 32 << 30
    held: int = 512 << 20


class LimitError(Exception):
    """A limit was reached; the message says which."""


class Contents:
    """Searches one file.

    Args:
        matcher: the needles.
        limits: how far to decode.

    Attributes:
        found: needles by kind; a kind such as ``zip > parquet`` is the way to the place.
        failures: what was not searched, and why.
    """

    def __init__(self, matcher: Matcher, limits: Limits) -> None:
        self._matcher = matcher
        self._limits = limits
        self._left = limits.decoded
        self.found: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self.failures: list[str] = []

    def search(self, path: Path, plain: str, packed: dict[str, str]) -> None:
        """Search raw bytes and decoded content.

        Args:
            path: a regular file.
            plain: kind of what is found in its raw bytes.
            packed: other kinds for formats, for example a checkpoint for `parquet`.

        Raises:
            OSError: it cannot be read.
        """
        with path.open("rb") as file:
            head = file.read(_HEAD)
            form = _form(head)
            promised = _SUFFIXES.get(path.suffix.lower())
            if head and promised not in (None, form):
                self.failures.append(f"named as {promised}, which it is not")
            file.seek(0)
            self._scan(_blocks(file), plain)
            if form:
                self._names(_gzip_names(head), "gzip")
                file.seek(0)
                self._decode(form, file, packed.get(form, form), 1, path)

    def _decode(self, form: str, file: IO[bytes], kind: str, depth: int, path: Path | None = None) -> None:
        """Search what a container holds; a damaged one is a failure, and keeps what was found."""
        if form == "foreign":
            self.failures.append("a format that is not decoded")
            return
        if depth > self._limits.depth:
            self.failures.append(f"containers more than {self._limits.depth} deep")
            return
        try:
            match form:
                case "duckdb":
                    self._duckdb(file, kind, path)
                case "parquet":
                    self._columns(kind).parquet(file)
                case "npy":
                    self._columns(kind).numpy(file)
                case "zip":
                    self._zip(file, kind, depth)
                case "tar":
                    self._tar(file, kind, depth)
                case _:
                    self._content(_UNPACK[form](file), kind, depth)
        except LimitError as error:
            self.failures.append(f"{kind}: {error}")
        except Exception as error:  # noqa: BLE001 - whatever a decoder raises, absence was not shown
            # Not its message: it may hold what stands in the file.
            self.failures.append(f"{kind}: could not be decoded ({type(error).__name__})")

    def _content(self, blocks: Iterator[bytes], kind: str, depth: int) -> None:
        """Search one decoded content, which may be a container again."""
        blocks = self._spend(blocks)
        first = next(blocks, b"")
        form = _form(first)
        blocks = chain([first], blocks)
        if form is None:
            self._scan(blocks, kind)
            return
        held = io.BytesIO()
        for block in blocks:
            if held.tell() + len(block) > self._limits.held:
                self.failures.append(f"{kind} > {form}: larger than {self._limits.held} bytes")
                return
            held.write(block)
        held.seek(0)
        self._scan(_blocks(held), kind)
        held.seek(0)
        self._decode(form, held, f"{kind} > {form}", depth + 1)

    def _spend(self, blocks: Iterator[bytes]) -> Iterator[bytes]:
        for block in blocks:
            self._take(len(block))
            yield block

    def _take(self, size: int) -> None:
        self._left -= size
        if self._left < 0:
            raise LimitError(f"more than {self._limits.decoded} bytes when decoded")

    def _scan(self, blocks: Iterator[bytes], kind: str) -> None:
        """Search bytes as they are. What is found twice, because blocks overlap, is taken off."""
        first = next(blocks, b"")
        text = is_text(first)
        blocks = chain([first], blocks)
        tail = b""
        # Text in long blocks: a drawing inside a page has its beginning and its end in one of them.
        for block in _joined(blocks) if text else blocks:
            data = tail + block
            self.found[kind].update(self._matcher.in_bytes(data, is_text=text))
            if tail:
                self.found[kind].subtract(self._matcher.in_bytes(tail, is_text=text))
            tail = data[-self._matcher.overlap :]

    def _names(self, names: Iterable[str], kind: str) -> None:
        for name in names:
            for part in name.split("/"):
                self.found[kind].update(self._matcher.in_name(part))

    def _zip(self, file: IO[bytes], kind: str, depth: int) -> None:
        with zipfile.ZipFile(file) as archive:
            members = archive.infolist()
            self._names((member.filename for member in members), kind)
            for comment in (archive.comment, *(member.comment for member in members)):
                self.found[kind].update(self._matcher.in_bytes(comment, is_text=True))
            for member in members:
                try:
                    with archive.open(member) as content:
                        self._content(_blocks(content), kind, depth)
                except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, OSError) as error:
                    self.failures.append(f"{kind}: a member could not be decoded ({type(error).__name__})")

    def _tar(self, file: IO[bytes], kind: str, depth: int) -> None:
        with tarfile.open(fileobj=file, mode="r:") as archive:
            for member in archive:
                self._names((member.name, member.linkname), kind)
                content = archive.extractfile(member) if member.isreg() else None
                if content is not None:
                    self._content(_blocks(content), kind, depth)

    def _columns(self, kind: str) -> Columns:
        return Columns(self._matcher, self.found[kind], self._take)

    def _duckdb(self, file: IO[bytes], kind: str, path: Path | None) -> None:
        if path is not None:
            self._columns(kind).duckdb(path)
            return
        with tempfile.TemporaryDirectory(prefix="mvi-search-") as folder:
            copy = Path(folder) / "copy.duckdb"
            copy.write_bytes(file.read())
            self._columns(kind).duckdb(copy)


def _form(head: bytes) -> str | None:
    """The format of a container by its first bytes; None for plain content."""
    if head[8:12] == b"DUCK":
        return "duckdb"
    if head[257:262] == b"ustar":
        return "tar"
    for magic, form in (
        (b"PAR1", "parquet"),
        (b"\x1f\x8b", "gzip"),
        (b"PK\x03\x04", "zip"),
        (b"PK\x05\x06", "zip"),
        (b"BZh", "bzip2"),
        (b"\xfd7zXZ\0", "xz"),
        (b"\x93NUMPY", "npy"),
        *((magic, "foreign") for magic in _FOREIGN),
    ):
        if head.startswith(magic):
            return form
    return None


def _gzip_names(head: bytes) -> list[str]:
    """Name and comment that a gzip file may begin with; the usual ones have no extra fields."""
    if not head.startswith(b"\x1f\x8b\x08") or head[3] & 4:
        return []
    count = bool(head[3] & 8) + bool(head[3] & 16)
    return [name.decode("utf-8", "replace") for name in head[10:].split(b"\0")[:count]]


def _blocks(file: IO[bytes]) -> Iterator[bytes]:
    return iter(lambda: file.read(_BLOCK), b"")


def _joined(blocks: Iterator[bytes]) -> Iterator[bytes]:
    parts: list[bytes] = []
    for block in blocks:
        parts.append(block)
        if sum(map(len, parts)) >= _TEXT_BLOCK:
            yield b"".join(parts)
            parts = []
    yield b"".join(parts)


def _gunzip(file: IO[bytes]) -> Iterator[bytes]:
    """Every member of a gzip file, block by block; quicker than the module gzip, which reads 8 KB."""
    engine = zlib.decompressobj(31)
    data = b""
    while data := data or file.read(1 << 20):
        if engine.eof:
            # Members may be padded with zeros.
            data = data.lstrip(b"\0")
            if not data:
                continue
            engine = zlib.decompressobj(31)
        block = engine.decompress(data, _BLOCK)
        data = engine.unused_data if engine.eof else engine.unconsumed_tail
        if block:
            yield block
    while not engine.eof:
        block = engine.decompress(b"", _BLOCK)
        if not block:
            raise EOFError
        yield block


_UNPACK: dict[str, Callable[[IO[bytes]], Iterator[bytes]]] = {
    "gzip": _gunzip,
    "bzip2": lambda file: _blocks(bz2.open(file)),  # noqa: SIM115 - its owner closes the file
    "xz": lambda file: _blocks(lzma.open(file)),  # noqa: SIM115
}
