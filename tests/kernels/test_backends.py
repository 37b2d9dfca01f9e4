"""What a backend is: the kernels of the sources, numbers of one meaning, and calls that release the GIL."""

import importlib
import re
import threading
import time

import pytest
from conftest import COMPILED, HERE

from mlcore.kernels import ENTRIES, ids, load_backend, thresholds
from mlcore.kernels.backends import loader
from mlcore.kernels.source import SOURCES, texts

from .arguments import long_calls


def test_entries_are_the_kernels_of_the_sources():
    """Fields of `Kernels`, kernels of the sources and functions of the extension are the same ones, nothing besides."""
    files = [loader.source_directory() / f"{name}.py" for name in SOURCES]
    assert sorted(loader.source_directory().glob("*.py")) == sorted([*files, loader.source_directory() / "__init__.py"])
    read = texts(loader.source_directory())
    kernels = [name for _, text in read for name in re.findall(r"^def (\w+)_kernel\(", text, re.MULTILINE)]
    assert sorted(kernels) == sorted(ENTRIES)
    for backend in HERE:
        loaded = load_backend(backend)
        assert loaded.name == backend
        assert all(callable(getattr(loaded, name)) for name in ENTRIES)
    if "cython" in HERE:
        extension = vars(importlib.import_module("mlcore._kernels"))
        functions = {name for name, value in extension.items() if callable(value) and not name.startswith("__")}
        assert functions == {*ENTRIES, "supported_level"}


def test_shared_numbers_have_one_meaning():
    """No name stands in both files, and the files hold numbers alone; the loader gives all of them to the sources."""
    found = {}
    for module in (ids, thresholds):
        names = {name: value for name, value in vars(module).items() if not name.startswith("__")}
        assert all(name.isupper() and type(value) in (int, float) for name, value in names.items())
        assert not names.keys() & found.keys()
        found |= names
    assert loader.constants() == found


@pytest.mark.parametrize("backend", COMPILED)
def test_kernels_release_the_gil(backend):
    """A Python thread goes on counting while each of them runs."""
    ticks = []

    def count():
        while not done.is_set():
            ticks.append(time.perf_counter())
            time.sleep(0)

    calls = long_calls(load_backend(backend))
    for call in calls.values():
        call()  # compiled
    done = threading.Event()
    thread = threading.Thread(target=count)
    thread.start()
    most = {}
    for name, call in calls.items():
        # in one call of several: on a busy machine the other thread may miss some
        most[name] = 0
        for _ in range(30):
            start = time.perf_counter()
            call()
            end = time.perf_counter()
            most[name] = max(most[name], sum(start < tick < end for tick in list(ticks)))
            if most[name] > 20:
                break
            ticks.clear()
    done.set()
    thread.join()
    assert min(most.values()) > 20, most
