"""Complete or not at all."""

from pathlib import Path

import pytest

from keras_genzoo import files


def test_write_replaces_and_makes_folders(tmp_path):
    files.write(tmp_path / "a" / "b.txt", "one")
    files.write(tmp_path / "a" / "b.txt", b"two")
    assert (tmp_path / "a" / "b.txt").read_text() == "two"
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["b.txt"]


def test_a_failed_write_leaves_nothing(tmp_path):
    (tmp_path / "folder").mkdir()
    with pytest.raises(IsADirectoryError):
        files.write(tmp_path / "folder", "text")
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


def fill(folder, text):
    (folder / "file").write_text(text)


def test_a_replaced_folder_is_the_old_one_until_the_new_one_is_complete(tmp_path):
    path = tmp_path / "deep" / "folder"
    with files.replaced_folder(path) as unfinished:
        fill(unfinished, "old")
        assert not path.exists()
    with pytest.raises(KeyError), files.replaced_folder(path) as unfinished:
        fill(unfinished, "half")
        raise KeyError
    assert (path / "file").read_text() == "old"
    with files.replaced_folder(path) as unfinished:
        fill(unfinished, "new")
        assert (path / "file").read_text() == "old"
    assert (path / "file").read_text() == "new"
    assert [p.name for p in path.parent.iterdir()] == ["folder"]


@pytest.mark.parametrize("error", [OSError("no space left"), KeyboardInterrupt()])
@pytest.mark.parametrize("failing", [1, 2])
def test_the_old_folder_is_put_back_where_a_rename_fails(tmp_path, monkeypatch, failing, error):
    path = tmp_path / "folder"
    with files.replaced_folder(path) as unfinished:
        fill(unfinished, "old")
    rename, calls = Path.rename, []

    def fail(self, target):
        calls.append(target)
        if len(calls) == failing:
            raise error
        return rename(self, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", fail)
        with pytest.raises(type(error)), files.replaced_folder(path) as unfinished:
            fill(unfinished, "new")
    assert (path / "file").read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["folder"]


def test_the_old_folder_is_kept_beside_where_it_cannot_be_put_back(tmp_path, monkeypatch):
    path = tmp_path / "folder"
    with files.replaced_folder(path) as unfinished:
        fill(unfinished, "old")
    rename, calls = Path.rename, []

    def fail(self, target):
        calls.append(target)
        if len(calls) > 1:
            raise OSError("the disk has gone")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", fail)
    with pytest.raises(OSError, match="has gone"), files.replaced_folder(path) as unfinished:
        fill(unfinished, "new")
    (left,) = tmp_path.iterdir()
    assert left.name.startswith(".folder.") and left.name.endswith(".old") and (left / "file").read_text() == "old"


def test_a_new_folder_replaces_nothing(tmp_path):
    with files.new_folder(tmp_path / "folder") as unfinished:
        fill(unfinished, "ours")
    with (
        pytest.raises(FileExistsError, match="written by another process"),
        files.new_folder(tmp_path / "folder") as unfinished,
    ):
        fill(unfinished, "theirs")
    assert (tmp_path / "folder" / "file").read_text() == "ours"
    assert [p.name for p in tmp_path.iterdir()] == ["folder"]
