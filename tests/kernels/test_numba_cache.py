"""What Numba keeps on disk: it follows the sources, and no file or disk stops a kernel."""

import pytest

from mlcore.kernels.backends import loader


def test_numba_cache_follows_every_source(tmp_path, monkeypatch):
    """The cache folder's name changes with any shared source; without a writable place kernels run uncached."""
    from mlcore.kernels.backends import numba as numba_backend

    monkeypatch.setenv("MLCORE_CACHE_DIR", str(tmp_path))
    folder = numba_backend._snapshot()
    assert folder is not None
    assert folder.parent == tmp_path
    assert (folder / "network.py").read_bytes() == (loader.source_directory() / "network.py").read_bytes()
    files = loader.source_files()
    names = {file.name for file in files}
    assert names >= {"losses.py", "newton.py", "ids.py", "thresholds.py", "loader.py", "numba.py"}
    keys = {loader.source_hash()}
    for place, file in enumerate(files):
        edited = tmp_path / file.name
        edited.write_bytes(file.read_bytes() + b"\n# edited\n")
        monkeypatch.setattr(loader, "source_files", lambda: [*files[:place], edited, *files[place + 1 :]])  # noqa: B023
        keys.add(loader.source_hash())
    assert len(keys) == 1 + len(files)
    monkeypatch.setattr(numba_backend.numba_linking, "ENABLED", not numba_backend.numba_linking.ENABLED)
    assert numba_backend._snapshot() != folder
    monkeypatch.setenv("MLCORE_NUMBA_CACHE", "0")
    assert numba_backend._snapshot() is None
    monkeypatch.setenv("MLCORE_NUMBA_CACHE", "1")
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("MLCORE_CACHE_DIR", str(tmp_path / "file"))
    monkeypatch.setattr(numba_backend.numba_cache, "_warned", False)
    with pytest.warns(RuntimeWarning, match="cannot be kept on disk.*MLCORE_CACHE_DIR"):
        assert numba_backend._snapshot() is None
    assert numba_backend._snapshot() is None  # told once


class TestNumbaCache:
    """Files that are damaged, and disks that are full: one warning, and the same numbers."""

    @pytest.fixture
    def compiled(self, tmp_path, monkeypatch):
        """A function that compiles another like it, as a new process would: its value, and whether the disk had it."""
        numba = pytest.importorskip("numba")
        from mlcore.kernels.backends import numba_cache

        source = tmp_path / "squares.py"
        source.write_text("def square(x):\n    return x * x\n")

        def compiled():
            monkeypatch.setattr(numba_cache, "_warned", False)
            names = {"__name__": __name__}  # of a module that is there
            exec(compile(source.read_text(), str(source), "exec"), names)  # noqa: S102
            kernel = numba_cache.keep(numba.njit(names["square"]))
            value = kernel(3.0), kernel(2)
            return value, sum(kernel.stats.cache_hits.values())

        return compiled

    def test_damaged_files(self, compiled, tmp_path):
        assert compiled() == ((9.0, 4), 0)
        assert compiled() == ((9.0, 4), 2)
        files = sorted((tmp_path / "__pycache__").iterdir())
        assert [file.suffix for file in files] == [".nbc", ".nbc", ".nbi"]
        for file, hits in zip(files[1:], (1, 0), strict=True):
            whole = file.read_bytes()
            flipped = [whole[:at] + bytes([whole[at] ^ 16]) + whole[at + 1 :] for at in (0, len(whole) // 2, -1)]
            for data in (b"", whole[:20], whole[:-1], whole + b"x", *flipped):
                file.write_bytes(data)
                with pytest.warns(RuntimeWarning, match="is damaged: the kernel is compiled anew") as told:
                    assert compiled() == ((9.0, 4), hits)
                assert len(told) == 1
                assert compiled() == ((9.0, 4), 2)

    def test_files_that_are_gone(self, compiled, tmp_path):
        compiled()
        for file in sorted((tmp_path / "__pycache__").iterdir()):
            file.unlink()
            assert compiled()[0] == (9.0, 4)
            assert compiled() == ((9.0, 4), 2)

    def test_a_full_disk(self, compiled, tmp_path, monkeypatch):
        from numba.core import caching

        def fail(*_):
            raise OSError(28, "No space left on device")

        with monkeypatch.context() as patch:
            patch.setattr(caching.os, "replace", fail)
            with pytest.warns(RuntimeWarning, match="No space left on device.*compiled anew in every process") as told:
                assert compiled() == ((9.0, 4), 0)
            assert len(told) == 1
        assert not list((tmp_path / "__pycache__").iterdir())
        assert compiled() == ((9.0, 4), 0)

    def test_files_that_cannot_be_read(self, compiled, tmp_path):
        compiled()
        index = next((tmp_path / "__pycache__").glob("*.nbi"))
        index.unlink()
        index.mkdir()
        with pytest.warns(RuntimeWarning, match="cannot be kept on disk"):
            assert compiled() == ((9.0, 4), 0)
