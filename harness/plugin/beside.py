"""Lets scenarios and conftests import the modules that lie beside them, each folder its own ones.

pytest's importlib mode, in which several folders may have files of the same name, adds no folder to ``sys.path``.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import spec_from_loader
from pathlib import Path
from types import FrameType, ModuleType

import pytest


class _Again(Loader):
    """Gives a module that was imported before."""

    def __init__(self, module: ModuleType) -> None:
        self._module = module

    def create_module(self, spec: ModuleSpec) -> ModuleType:  # noqa: ARG002
        return self._module

    def exec_module(self, module: ModuleType) -> None:
        pass


class Beside(MetaPathFinder):
    """Finds what nothing else finds, in the folder of the file that imports it."""

    def __init__(self) -> None:
        self.folders: set[Path] = set()
        self._at: dict[str, Path] = {}
        self._kept: dict[tuple[Path, str], ModuleType] = {}

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None,
        target: ModuleType | None = None,  # noqa: ARG002
    ) -> ModuleSpec | None:
        """A top-level module beside the importing file, or beside the package that the file is part of."""
        for folder in _folders(_importer()) if path is None else ():
            if module := self._kept.get((folder, fullname)):
                self._at[fullname] = folder
                return spec_from_loader(fullname, _Again(module), origin=module.__file__)
            if found := PathFinder.find_spec(fullname, [str(folder)]):
                self._at[fullname] = folder
                return found
        return None

    def forget(self) -> None:
        """Let the next file have its own, where several folders have a module of the same name."""
        for name, folder in list(self._at.items()):
            others = (other for other in self.folders if other != folder)
            if any((other / name).is_dir() or (other / f"{name}.py").is_file() for other in others):
                del self._at[name]
                for one in [one for one in sys.modules if one == name or one.startswith(f"{name}.")]:
                    self._kept[folder, one] = sys.modules.pop(one)


def _importer() -> Path | None:
    """The file whose code imports: the first one on the stack that is no part of importlib."""
    frame: FrameType | None = sys._getframe(2)
    while frame and frame.f_globals.get("__name__", "").partition(".")[0] in ("importlib", "_frozen_importlib"):
        frame = frame.f_back
    file = frame.f_globals.get("__file__") if frame else None
    return Path(file) if file else None


def _folders(importer: Path | None) -> Iterator[Path]:
    """Where what it imports may lie; nowhere for what is itself found by ``sys.path``, as every library is."""
    if importer is None:
        return
    base = next(folder for folder in importer.parents if not (folder / "__init__.py").exists())
    if str(base) not in sys.path:
        yield from dict.fromkeys((importer.parent, base))


_BESIDE = Beside()


def pytest_addoption() -> None:
    """As soon as pytest knows us: a conftest.py may import, too."""
    if _BESIDE not in sys.meta_path:
        sys.meta_path.append(_BESIDE)


def pytest_collect_directory(path: Path) -> None:
    """Note where there may be modules."""
    _BESIDE.folders.add(path)


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Iterator[None]:
    """What one file imported is not for the next one, which may lie elsewhere."""
    report = yield
    _BESIDE.forget()
    return report


def pytest_runtest_logfinish() -> None:
    """The same for what a scenario imports while it runs."""
    _BESIDE.forget()
