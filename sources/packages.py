"""What all article packages share: limits, safe names and reading, and packages that are plain folders.

Everything that a library raises on broken bytes becomes InputError; what a file system raises and may not
raise again becomes TransientError. Archives are in :mod:`pmcx.sources.archives`.
"""

from __future__ import annotations

import dataclasses
import errno
import lzma
import os
import re
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, TypeVar

from ..core.errors import InputError, PmcxError, TransientError

XML_SUFFIXES = (".xml", ".nxml")
ARCHIVE_SUFFIXES = (".zip", ".meca", ".tar.gz", ".tgz", ".tar")
COMPANIONS = frozenset({"manifest.xml", "transfer.xml", "directives.xml"})
"""XML files of a package that are never its article (MECA, eLife's archive format)."""

Item = TypeVar("Item")

_RATIO_GRACE = 256 << 20
_JUNK = frozenset({"__macosx", "thumbs.db", "desktop.ini"})
_DRIVE = re.compile(r"[A-Za-z]:")
_CONTROL = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")
_PASSING = frozenset(
    {errno.EIO, errno.ESTALE, errno.ETIMEDOUT, errno.EAGAIN, errno.EBUSY, errno.EINTR, errno.EMFILE}
    | {errno.ENFILE, errno.ENOMEM, errno.ENOLCK, errno.ECONNRESET, errno.EHOSTDOWN, errno.ENOTCONN}
)
_BROKEN = (
    zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, struct.error, EOFError, ValueError,
    KeyError, IndexError, AttributeError, TypeError, ArithmeticError, NotImplementedError, RuntimeError,
    MemoryError,
)  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Limits:
    """Sizes beyond which a package counts as an attack or an accident; all in bytes but the last two."""

    max_archive_bytes: int = 8 << 30
    """Of all members, unpacked."""
    max_member_bytes: int = 640 << 20
    max_xml_bytes: int = 256 << 20
    max_members: int = 50_000
    max_ratio: float = 400.0
    """Unpacked to packed size of a whole archive, looked at from 256 MiB unpacked on."""

    def refuse(self, option: str, what: str) -> InputError:
        return InputError(f"{what} (limit {option}={getattr(self, option)}; raise it if you trust the input)")

    def check_total(self, unpacked: int, packed: int) -> None:
        if unpacked > self.max_archive_bytes:
            raise self.refuse("max_archive_bytes", f"unpacks to {unpacked} bytes or more")
        if unpacked > _RATIO_GRACE and unpacked > self.max_ratio * max(1, packed):
            raise self.refuse("max_ratio", f"unpacks {packed} bytes to {unpacked} or more")

    def check_member(self, name: str, size: int) -> None:
        option = "max_xml_bytes" if is_xml(name) else "max_member_bytes"
        if size > getattr(self, option):
            raise self.refuse(option, f"member {name!r} has {size} bytes")

    def check_members(self, count: int) -> None:
        if count > self.max_members:
            raise self.refuse("max_members", f"holds more than {self.max_members} files")


@contextmanager
def guarded(what: str) -> Iterator[None]:
    """Turn whatever reading ``what`` raises into InputError or TransientError that begins with ``what``."""
    try:
        yield
    except PmcxError as error:
        raise type(error)(f"{what}: {error}") from error
    except OSError as error:
        reason = error.strerror or str(error) or type(error).__name__  # never the path of this machine
        kind = TransientError if error.errno in _PASSING else InputError
        raise kind(f"{what}: {reason}") from error
    except _BROKEN as error:
        raise InputError(f"{what}: {type(error).__name__}: {str(error)[:200]}") from error


def guarded_items(what: str, items: Iterator[Item]) -> Iterator[Item]:
    """``items`` with :func:`guarded` around each step, but not around what the caller does with them."""
    while True:
        with guarded(what):
            try:
                item = next(items)
            except StopIteration:
                return
        yield item


def is_xml(name: str) -> bool:
    return name.lower().endswith(XML_SUFFIXES)


def is_archive(name: str) -> bool:
    return name.lower().endswith(ARCHIVE_SUFFIXES)


def is_article_name(name: str) -> bool:
    """Whether a file of this name may hold an article of its own."""
    return is_xml(name) and name.rpartition("/")[2].lower() not in COMPANIONS


def is_junk(part: str) -> bool:
    """Hidden files and what operating systems leave behind."""
    return part.startswith(".") or part.lower() in _JUNK


def safe_name(raw: str) -> str | None:
    """A member name as a clean relative path; None where it could lead outside, is junk or unprintable."""
    name = raw.replace("\\", "/")
    if name.startswith("/") or _DRIVE.match(name) or _CONTROL.search(name):
        return None
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if not parts or any(is_junk(part) for part in parts):  # ".." is junk, too
        return None
    return "/".join(parts)


def open_file(path: Path) -> BinaryIO:
    """Open a regular file for reading; anything else (a pipe would hang) is an InputError."""
    fd = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise InputError("not a regular file")
    return os.fdopen(fd, "rb")


def read_file(path: Path, limits: Limits) -> bytes:
    """The bytes of a regular file, within the limits of a member."""
    with open_file(path) as file:
        limits.check_member(path.name, os.fstat(file.fileno()).st_size)
        return file.read()


class Reader:
    """Random access to the members of one package, from any thread."""

    def read(self, name: str) -> bytes:
        raise NotImplementedError

    def close(self) -> None:
        """Close what is open; a later read opens it again."""


# Folders


class FolderReader(Reader):
    def __init__(self, root: Path, limits: Limits) -> None:
        self.root = root
        self.limits = limits

    def read(self, name: str) -> bytes:
        path = self.root / name
        with guarded(name):
            if not path.resolve().is_relative_to(self.root):
                raise InputError("is a link that leaves the input folder")
            return read_file(path, self.limits)


def list_folder(folder: Path, root: Path) -> tuple[list[str], list[str]]:
    """Sorted names of the files and sub-folders of ``folder``, without junk, linked folders and links
    that leave ``root``. An OSError names the folder, relative to ``root``."""
    files: list[str] = []
    folders: list[str] = []
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if is_junk(entry.name):
                    continue
                if entry.is_dir(follow_symlinks=False):
                    folders.append(entry.name)
                elif entry.is_file() and (
                    not entry.is_symlink() or Path(entry.path).resolve().is_relative_to(root)
                ):
                    files.append(entry.name)
    except OSError as error:
        where = folder.relative_to(root).as_posix()
        raise OSError(error.errno, f"cannot list folder {where!r}: {error.strerror}") from error
    return sorted(files), sorted(folders)


def folder_names(root: Path, folder: str, limits: Limits) -> list[str]:
    """The files, relative to ``root``, that may belong to an article whose XML lies in ``folder``.

    These are the files of ``folder`` and its sub-folders, and those of the parent folder where nothing
    else there looks like another package. A folder that holds XML of its own is another package.
    """
    files, folders = list_folder(root / folder, root)
    own = [_join(folder, name) for name in files if safe_name(name)]
    below, _ = _package_files(root, [_join(folder, name) for name in folders], limits)
    try:
        beside = _files_beside(root, folder, limits) if folder else []
    except OSError:  # what cannot be looked into may be another package
        beside = []
    return own + below + beside


def _files_beside(root: Path, folder: str, limits: Limits) -> list[str]:
    parent = folder.rpartition("/")[0]
    if not _lonely(root, parent, folder):
        return []
    files, folders = list_folder(root / parent, root)
    others = [path for name in folders if (path := _join(parent, name)) != folder]
    around, shared = _package_files(root, others, limits, alone=True)
    return [] if shared else [_join(parent, name) for name in files if safe_name(name)] + around


def _join(folder: str, name: str) -> str:
    return f"{folder}/{name}" if folder else name


def _lonely(root: Path, parent: str, folder: str) -> bool:
    """Whether ``folder`` is the only package in ``parent``, as far as one look at each entry tells.

    Stops at the first sign of another, so that it stays cheap among a million packages.
    """
    with os.scandir(root / parent) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                if entry.name != folder.rpartition("/")[2] and not is_junk(entry.name):
                    with os.scandir(entry.path) as inner:
                        if any(is_article_name(file.name) or is_archive(file.name) for file in inner):
                            return False
            elif not is_junk(entry.name) and (is_article_name(entry.name) or is_archive(entry.name)):
                return False
    return True


def _package_files(
    root: Path, folders: Sequence[str], limits: Limits, alone: bool = False
) -> tuple[list[str], bool]:
    """Files below ``folders``, without those folders that hold XML of their own, and whether there are
    such; ``alone`` gives up at the first."""
    names: list[str] = []
    others = False
    pending = list(reversed(folders))
    while pending:
        folder = pending.pop()
        files, inner = list_folder(root / folder, root)
        if any(is_article_name(name) for name in files):
            others = True
            if alone:
                return [], True
            continue
        names += [_join(folder, name) for name in files if safe_name(name)]
        limits.check_members(len(names))
        pending += [_join(folder, name) for name in reversed(inner)]
    return names, others
