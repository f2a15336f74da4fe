"""Files and folders that are there complete or not at all: each is filled under another name, then renamed."""

import contextlib
import os
import shutil
import tempfile
from pathlib import Path


def write(path, content):
    """Writes a file, str or bytes, in place of an older one; makes its folder where needed."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        unfinished.write_bytes(content.encode() if isinstance(content, str) else content)
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


@contextlib.contextmanager
def replaced_folder(path):
    """A new folder to fill, which takes the place of `path` only when it is complete.

    Where it cannot, the old one is put back. A process killed between the two renames leaves it beside, complete, as
    `.<name>.<random>.old`.
    """
    path = Path(path)
    with _unfinished_folder(path) as unfinished:
        yield unfinished
        old = unfinished.parent.with_name(unfinished.parent.name + ".old")  # not inside what is deleted at the end
        try:
            if path.exists():
                path.rename(old)
            unfinished.rename(path)
        except BaseException:
            if old.exists() and not path.exists():
                old.rename(path)
            raise
        if old.exists():
            shutil.rmtree(old)


@contextlib.contextmanager
def new_folder(path):
    """A folder to fill, which becomes `path` when it is complete; FileExistsError if there is one by then."""
    path = Path(path)
    with _unfinished_folder(path) as unfinished:
        yield unfinished
        try:
            unfinished.rename(path)
        except OSError as error:
            if path.exists():
                raise FileExistsError(f"{str(path)!r} was written by another process meanwhile.") from error
            raise


@contextlib.contextmanager
def _unfinished_folder(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{path.name}.", dir=path.parent) as scratch:
        unfinished = Path(scratch) / "new"
        unfinished.mkdir()
        yield unfinished
