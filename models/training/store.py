"""A folder of an object store (S3, Google Cloud Storage) or of a file system, as trainings use it."""

import json
import shutil
import uuid
from pathlib import Path
from typing import Any, Final

from sazon.errors import SettingsError, StoreError

_CHUNK: Final = 8 << 20


def is_remote(place: str) -> bool:
    """Whether a setting names an object store rather than a directory of this machine."""
    return "://" in place


class ObjectStore:
    """Objects by name below one address. Each is seen whole or not at all; what belongs together is named last.

    Access is the platform's own: for S3 `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_REGION` and, for another
    server than Amazon's, `AWS_ENDPOINT_URL`; for Google the default credentials.
    """

    def __init__(self, address: str) -> None:
        """`address`: s3://bucket/folder, gs://bucket/folder, file:///folder or an absolute path.

        Raises:
            SettingsError: it is none of these.
        """
        from pyarrow import ArrowInvalid, fs

        self.address = address.rstrip("/")
        try:
            self._files, self._root = fs.FileSystem.from_uri(self.address)
        except (ArrowInvalid, OSError) as error:
            raise SettingsError(
                f'"{address}" is no place for checkpoints: {_line(error)} (want s3://, gs://, file:///… or a path)'
            ) from None
        self._local = isinstance(self._files, fs.LocalFileSystem)

    def below(self, name: str) -> "ObjectStore":
        """The store of a folder."""
        parts = self.address.partition("?")  # an address may end in options
        return ObjectStore(f"{parts[0].rstrip('/')}/{name}{parts[1]}{parts[2]}")

    def check(self) -> None:
        """Writes and removes an object.

        Raises:
            StoreError: that did not work: better now than after the first epoch.
        """
        probe = f"probe-{uuid.uuid4().hex}.json"
        self.put_json(probe, {})
        self.delete(probe)

    def put(self, name: str, path: Path) -> None:
        """Stores a file."""
        with path.open("rb") as source:
            self._write(name, source)

    def put_json(self, name: str, value: Any) -> None:
        """Stores a value."""
        import io

        self._write(name, io.BytesIO(json.dumps(value).encode()))

    def get(self, name: str, path: Path) -> bool:
        """Fetches a file, whole or not at all; false where there is none."""
        staged = path.with_name(f"{path.name}.partial")
        try:
            with self._files.open_input_stream(f"{self._root}/{name}") as source:
                path.parent.mkdir(parents=True, exist_ok=True)
                with staged.open("wb") as target:
                    shutil.copyfileobj(source, target, _CHUNK)
        except FileNotFoundError:
            return False
        except OSError as error:
            raise self._unusable("read", name, error) from None
        staged.replace(path)
        return True

    def get_json(self, name: str) -> Any:
        """A value; None where there is none."""
        try:
            with self._files.open_input_stream(f"{self._root}/{name}") as source:
                return json.loads(source.read())
        except FileNotFoundError:
            return None
        except OSError as error:
            raise self._unusable("read", name, error) from None

    def names(self) -> list[str]:
        """Of all objects."""
        from pyarrow import fs

        try:
            found = self._files.get_file_info(fs.FileSelector(self._root, recursive=True, allow_not_found=True))
        except OSError as error:
            raise self._unusable("listed", "", error) from None
        return sorted(one.path[len(self._root) + 1 :] for one in found if one.type == fs.FileType.File)

    def delete(self, *names: str) -> None:
        """Removes objects; those that are not there count as removed."""
        for name in names:
            try:
                self._files.delete_file(f"{self._root}/{name}")
            except FileNotFoundError:
                pass
            except OSError as error:
                raise self._unusable("removed", name, error) from None

    def clear(self) -> None:
        """Removes everything."""
        self.delete(*self.names())

    def _write(self, name: str, source: Any) -> None:
        target = f"{self._root}/{name}"
        # An object appears when its upload is complete; a file, while it is written.
        staged = f"{target}.{uuid.uuid4().hex}.partial" if self._local else target
        try:
            if self._local:
                self._files.create_dir(target.rpartition("/")[0], recursive=True)
            with self._files.open_output_stream(staged) as stream:
                shutil.copyfileobj(source, stream, _CHUNK)
            if self._local:
                self._files.move(staged, target)
        except OSError as error:
            raise self._unusable("written", name, error) from None

    def _unusable(self, what: str, name: str, error: OSError) -> StoreError:
        place = f"{self.address.partition('?')[0]}/{name}".rstrip("/")
        return StoreError(f"{place} cannot be {what}: {_line(error)}; check bucket, credentials and network")


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())[:300]
