"""The records of a call log in Parquet files of a folder, of an object store or a disk that hosts share."""

from __future__ import annotations

import os
import tempfile
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

from artis_sdk.errors import ArtisError, ConfigurationError, LogError, MissingExtraError
from artis_sdk.logs.call_store import Count
from artis_sdk.logs.parquet import JSON, PLAIN, export_parquet, log_rows, record_of
from artis_sdk.logs.reader import Filter
from artis_sdk.logs.refused import RefusedRecord
from artis_sdk.records import CallRecord, Provenance
from artis_sdk.store_address import shown_address

END = ".parquet"


class FolderRows:
    """`SharedRows` in a folder: a file for each batch, of that name, which does not change any more.

    A file appears when it is whole. Files are read in the order of their names, which is that of the times at
    which their batches began; of records with one id the first counts.

    Args:
        url: URL of the folder, as fsspec takes it: `s3://bucket/calls`, `file:///mnt/calls`. Credentials are
            found as its file system finds them.

    Raises:
        ConfigurationError: there is no such kind of folder, or what reads it is not installed.
        MissingExtraError: fsspec or pyarrow is not installed.
    """

    linger = 30.0

    def __init__(self, url: str) -> None:
        self.address = shown_address(url).rstrip("/")
        self._url = url
        self._opened()

    def send(self, batch: str, records: Iterable[CallRecord]) -> list[RefusedRecord]:
        """See `SharedRows.send`; a batch that is sent again replaces itself."""
        files, root = self._opened()
        target = f"{root}/{batch}{END}"
        with self._reading(), tempfile.TemporaryDirectory() as work:
            whole = Path(work) / "batch"
            if not export_parquet(records, whole):
                return []
            files.makedirs(root, exist_ok=True)
            files.put_file(str(whole), f"{target}.part")
            if is_local(files):
                _sync(f"{target}.part")
            files.mv(f"{target}.part", target)
            if is_local(files):
                _sync(root)
        return []

    def exist(self) -> bool:
        """See `SharedRows.exist`."""
        return bool(self.files()[1])

    def files(self) -> tuple[Any, list[str]]:
        """The file system, and the paths of the files in it, in their order; raises LogError."""
        files, root = self._opened()
        with self._reading():
            files.invalidate_cache()
            try:
                found = files.ls(root, detail=False)
            except FileNotFoundError:
                found = []
        return files, sorted(path for path in found if path.endswith(END))

    def fetch(self, folder: Path) -> list[Path]:
        """Paths of all files on this machine, in their order; raises LogError.

        Args:
            folder: folder that is made for those that are elsewhere.
        """
        files, paths = self.files()
        if is_local(files):
            return [Path(path) for path in paths]
        folder.mkdir()
        with self._reading():
            for path in paths:
                files.get_file(path, str(folder / path.rpartition("/")[2]))
        return sorted(folder.iterdir())

    def records(self, wanted: Filter) -> Iterator[CallRecord]:
        """See `CallStore.records`. An id is kept in memory for each record, about 100 bytes."""
        files, paths = self.files()
        seen = set[str]()
        for path in paths:
            for row in self._rows(files, path, wanted):
                if row["id"] not in seen:
                    seen.add(row["id"])
                    yield record_of(row, f"{self.address}: {path}")

    def last(self, count: int, tool: str | None) -> list[CallRecord]:
        """See `CallStore.last`; reads files from the newest on."""
        files, paths = self.files()
        found: dict[str, CallRecord] = {}
        for path in reversed(paths):
            newest = deque(self._rows(files, path, Filter(tool=tool)), maxlen=count)
            for row in reversed(newest):
                if len(found) < count:
                    found.setdefault(row["id"], record_of(row, f"{self.address}: {path}"))
            if len(found) == count:
                break
        return list(found.values())[::-1]

    def counts(self) -> list[Count]:
        """See `CallStore.counts`."""
        kinds = Counter(
            (row["tool"], row["type"], Provenance(row["provenance"]))
            for row in self._columns("tool", "type", "provenance")
        )
        ranked = sorted(kinds.items(), key=lambda found: (found[0][0], -found[1], found[0][1]))
        return [Count(*kind, n) for kind, n in ranked]

    def holding(self, ids: Iterable[str]) -> int:
        """See `CallStore.holding`."""
        wanted = set(ids)
        return sum(row["id"] in wanted for row in self._columns()) if wanted else 0

    def _columns(self, *names: str) -> Iterator[dict[str, Any]]:
        """These columns of all records, each once."""
        files, paths = self.files()
        seen = set[str]()
        for path in paths:
            with self._open(files, path) as file:
                for row in log_rows(file, f"{self.address}: {path}", ["id", *names]):
                    if row["id"] not in seen:
                        seen.add(row["id"])
                        yield row

    def _rows(self, files: Any, path: str, wanted: Filter) -> Iterator[dict[str, Any]]:
        columns = [*PLAIN, *JSON, "tool", "provenance"]
        with self._open(files, path) as file:
            for row in log_rows(file, f"{self.address}: {path}", columns):
                if (
                    wanted.tool in (None, row["tool"])
                    and wanted.session in (None, row["session"])
                    and (wanted.provenance is None or row["provenance"] in wanted.provenance)
                ):
                    yield row

    # --- the file system ----------------------------------------------------------------------

    def _opened(self) -> tuple[Any, str]:
        """The file system, which keeps its instances by process, and the folder's path in it."""
        try:
            import_module("pyarrow")
            from fsspec.core import url_to_fs
        except ImportError as error:
            raise MissingExtraError("a call log in Parquet files", "parquet") from error
        try:
            files, root = url_to_fs(self._url)
        except (ImportError, ValueError) as error:
            raise ConfigurationError(f"log={self.address}: {error}") from error
        return files, root.rstrip("/")

    @contextmanager
    def _reading(self) -> Iterator[None]:
        try:
            yield
        except ArtisError:
            raise
        except Exception as error:  # each file system has errors of its own
            raise LogError(f"{self.address}: {type(error).__name__}: {error}") from error

    @contextmanager
    def _open(self, files: Any, path: str) -> Iterator[Any]:
        with self._reading(), files.open(path, "rb") as file:
            yield file


def is_local(files: Any) -> bool:
    """Whether a file system of fsspec is that of this machine, whose paths anybody can open."""
    return "file" in ((files.protocol,) if isinstance(files.protocol, str) else files.protocol)


def _sync(path: str) -> None:
    """Force a file or folder to the disk."""
    file = os.open(path, os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)
