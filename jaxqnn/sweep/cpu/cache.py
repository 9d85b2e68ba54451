"""Machine code on disk, by the content of the sources that it was compiled from.

Numba's own cache looks at the file of one function only, so that an edit of what the function calls
goes unnoticed, and it takes a file cut short for a fault of the program.  Here a file is named and
sealed with everything its code depends on: all sources that compiled functions are made of, Python,
Numba, llvmlite, the processor and the signature.  What does not bear the seal is compiled anew.
"""

from __future__ import annotations

import hashlib
import pickle
import sys
import uuid
import warnings
from collections.abc import Iterable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import llvmlite
import numba
from numba.core.caching import FunctionCache

_MAGIC = b"jaxqnn machine code 1\n"
_has_warned = False


class Sources:
    """The files that a set of compiled functions is made of, as they are now.

    Args:
        paths: Files, and folders whose Python files are meant.  They are read at once: what is
            edited later is not what this process has imported.
    """

    def __init__(self, *paths: Path) -> None:
        self.digest = _hash(path.read_bytes() for path in sorted(_files(paths)))

    def keep(self, function: Any) -> None:
        """Keeps a function's machine code on disk, if there is a folder that can be written.

        Args:
            function: A ``numba.core.ccallback.CFunc`` that has not been compiled yet.
        """
        try:
            function._cache = _Cache(function.__wrapped__, self.digest)
        except RuntimeError:  # nowhere to write: each process compiles
            return


class _Cache(FunctionCache):
    """What Numba asks for a C function's machine code, one file a signature.

    Numba finds the folder (its ``NUMBA_CACHE_DIR``, ``__pycache__``, the user's cache folder) and
    says what can be kept.
    """

    def __init__(self, function: Any, sources: str) -> None:
        super().__init__(function)
        module = Path(function.__code__.co_filename).stem
        self._stem, self._sources = f"{module}.{function.__qualname__}", sources

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        # Not Numba's own way, which first learns all that Numba can compile: a quarter of a second.
        path, seal = self._file(sig, target_context.codegen())
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            _warn(f"{path} cannot be read ({error.strerror})")
            return None
        header = _MAGIC + seal + hashlib.sha256(data[len(_MAGIC) + 64 :]).digest()
        if not data.startswith(header):
            _warn(f"{path} is cut short, damaged, or another processor's or version's")
            return None
        try:
            code, name = pickle.loads(data[len(header) :])
            library = target_context.codegen().unserialize_library(code)
            return SimpleNamespace(
                library=library, fndesc=SimpleNamespace(llvm_cfunc_wrapper_name=name)
            )
        except Exception as error:  # whatever unpickling may raise
            _warn(f"{path} cannot be loaded ({type(error).__name__}: {error})")
            return None

    def save_overload(self, sig: Any, data: Any) -> None:
        if not self._impl.check_cachable(data):
            return
        path, seal = self._file(sig, data.codegen)
        code, name = data.library.serialize_using_object_code(), data.fndesc.llvm_cfunc_wrapper_name
        payload = pickle.dumps((code, name))
        try:
            self._impl.locator.ensure_cache_path()
            _write(path, _MAGIC + seal + hashlib.sha256(payload).digest() + payload)
            for earlier in path.parent.glob(f"{path.name.rsplit('-', 1)[0]}-*.nbc"):
                if earlier != path:
                    earlier.unlink(missing_ok=True)
        except OSError as error:  # a full disk, say
            _warn(f"{path} cannot be written ({error.strerror})")

    def flush(self) -> None:
        for path in Path(self.cache_path).glob(f"{self._stem}-*.nbc"):
            path.unlink(missing_ok=True)

    def _file(self, sig: Any, codegen: Any) -> tuple[Path, bytes]:
        """The file of a signature and the seal it bears; edited sources change its last part."""
        versions = (sys.version, numba.__version__, llvmlite.__version__)
        parts = map(repr, (sig, codegen.magic_tuple(), versions))
        place = _hash(part.encode() for part in parts)
        name = f"{self._stem}-{place[:16]}-{self._sources[:16]}.nbc"
        seal = hashlib.sha256(f"{self._stem} {place} {self._sources}".encode()).digest()
        return Path(self.cache_path) / name, seal


def _files(paths: Iterable[Path]) -> set[Path]:
    return {file for path in paths for file in (path.glob("*.py") if path.is_dir() else (path,))}


def _hash(parts: Iterable[bytes]) -> str:
    """One digest of several byte strings, which cannot be confused with their concatenation."""
    return hashlib.sha256(b"".join(hashlib.sha256(part).digest() for part in parts)).hexdigest()


def _write(path: Path, data: bytes) -> None:
    """Writes a file that other processes see whole or not at all."""
    unfinished = path.with_suffix(f".{uuid.uuid4().hex}.tmp")
    try:
        unfinished.write_bytes(data)
        unfinished.replace(path)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise


def _warn(problem: str) -> None:
    """Says once in a process that machine code on disk is of no use."""
    global _has_warned
    if not _has_warned:
        _has_warned = True
        warnings.warn(
            f"{problem}. The machine code is compiled anew, which takes some seconds; nothing else "
            "is lost.",
            RuntimeWarning,
            stacklevel=2,
        )
