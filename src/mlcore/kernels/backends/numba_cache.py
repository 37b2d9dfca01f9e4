"""What Numba keeps on disk, made safe: each file ends with a digest of the rest, and no file or disk stops a kernel.

Numba reads machine code and pickles as they stand. A damaged file here counts as none: the kernel is compiled anew and
the file replaced. Where nothing can be read or written, kernels are compiled for this process alone. One warning tells.
"""

from __future__ import annotations

import hashlib
import io
import warnings
from contextlib import contextmanager
from pathlib import Path

from numba.core import caching

_DIGEST = hashlib.sha256().digest_size
_warned = False


def _warn_once(message):
    global _warned
    if not _warned:
        _warned = True
        warnings.warn(message, RuntimeWarning, stacklevel=2)


def warn_of_disk(error):
    _warn_once(
        f"Kernels that Numba compiles cannot be kept on disk ({error}), and are compiled anew in every process. Make "
        "room, or set MLCORE_CACHE_DIR to a folder that can be written; MLCORE_NUMBA_CACHE=0 keeps none and is silent."
    )


def _whole(path):
    """Whether a file ends with the digest of the rest; what does not exist is an OSError."""
    data = Path(path).read_bytes()
    if len(data) > _DIGEST and hashlib.sha256(data[:-_DIGEST]).digest() == data[-_DIGEST:]:
        return True
    _warn_once(f"{path} is damaged: the kernel is compiled anew, and the file replaced.")
    return False


class _Files(caching.IndexDataCacheFile):
    """Numba's files, each with its digest; pickle reads no further than its own end."""

    def _load_index(self):
        try:
            return super()._load_index() if _whole(self._index_path) else {}
        except FileNotFoundError:
            return {}

    def _load_data(self, name):
        path = self._data_path(name)
        if not _whole(path):
            raise FileNotFoundError(path)  # which Numba takes for a file that was removed
        return super()._load_data(name)

    @contextmanager
    def _open_for_write(self, filepath):
        buffer = io.BytesIO()
        yield buffer
        data = buffer.getvalue()
        with super()._open_for_write(filepath) as file:
            file.write(data + hashlib.sha256(data).digest())


class _Cache(caching.FunctionCache):
    def __init__(self, function):
        super().__init__(function)
        self._cache_file.__class__ = _Files

    def load_overload(self, sig, target_context):
        try:
            return super().load_overload(sig, target_context)
        except Exception as error:  # whatever it is, compiling helps
            warn_of_disk(error)
            return None

    def save_overload(self, sig, data):
        try:
            super().save_overload(sig, data)
        except OSError as error:
            warn_of_disk(error)
            self.disable()


_NAMES = {
    caching.IndexDataCacheFile: ("_load_index", "_load_data", "_data_path", "_open_for_write"),
    caching.FunctionCache: ("load_overload", "save_overload", "disable"),
}
_AVAILABLE = all(hasattr(kind, name) for kind, names in _NAMES.items() for name in names)


def keep(dispatcher):
    """Keep what is compiled for a jitted function on disk."""
    try:
        if _AVAILABLE:
            dispatcher._cache = _Cache(dispatcher.py_func)
        else:
            dispatcher.enable_caching()
    except (OSError, RuntimeError) as error:  # Numba found no folder
        warn_of_disk(error)
    return dispatcher
