from __future__ import annotations

import pickle
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from toril.plugins.local_files import load_file, prepare_folders


@pytest.fixture(autouse=True)
def _leave_no_modules() -> Iterator[None]:
    path, modules = list(sys.path), dict(sys.modules)
    yield
    sys.path[:] = path
    for name in set(sys.modules) - set(modules):
        del sys.modules[name]


def write(folder: Path, **files: str) -> Path:
    folder.mkdir(exist_ok=True)
    for stem, code in files.items():
        (folder / f"{stem}.py").write_text(code)
    return folder


def load(path: Path) -> ModuleType:
    prepare_folders([path])
    return load_file(path)


@pytest.mark.parametrize(
    "line", ["from toril_test_exchange import FEE", "from .toril_test_exchange import FEE"]
)
def test_a_plugin_imports_what_lies_beside_it(tmp_path: Path, line: str):
    folder = write(tmp_path, processors=line, toril_test_exchange="FEE = 3")

    module = load(folder / "processors.py")

    assert module.FEE == 3


def test_two_folders_with_files_of_the_same_names_do_not_meet(tmp_path: Path):
    code = "import toril_test_exchange\nFEE = toril_test_exchange.FEE"
    first = write(tmp_path / "a", processors=code, toril_test_exchange="FEE = 1")
    second = write(tmp_path / "b", processors=code, toril_test_exchange="FEE = 2")

    modules = [load(folder / "processors.py") for folder in (first, second, first)]

    assert [module.FEE for module in modules] == [1, 2, 1]
    assert modules[0].__name__ != modules[1].__name__


def test_two_plugins_of_one_folder_share_what_they_import(tmp_path: Path):
    code = "from toril_test_exchange import NetworkError"
    folder = write(
        tmp_path, a=code, b=code, toril_test_exchange="class NetworkError(Exception): ..."
    )
    prepare_folders([folder / "a.py", folder / "b.py"])

    first, second = load_file(folder / "a.py"), load_file(folder / "b.py")

    assert first.NetworkError is second.NetworkError


def test_a_changed_file_is_read_again(tmp_path: Path):
    code = "from toril_test_exchange import FEE"
    folder = write(tmp_path, processors=code, toril_test_exchange="FEE = 1")
    load(folder / "processors.py")
    write(folder, toril_test_exchange="FEE = 1 + 1")

    assert load(folder / "processors.py").FEE == 2


def test_a_file_beside_a_plugin_shadows_nothing_installed(tmp_path: Path):
    folder = write(tmp_path, processors="import msgspec", msgspec="raise AssertionError")
    original = sys.modules["msgspec"]

    module = load(folder / "processors.py")

    assert module.msgspec is original


def test_the_module_has_the_same_name_in_every_process(tmp_path: Path):
    folder = write(tmp_path, processors="class Order: ...")
    order = load(folder / "processors.py").Order()

    reloaded = load(folder / "processors.py")

    assert reloaded.Order.__module__ == type(order).__module__
    assert isinstance(pickle.loads(pickle.dumps(reloaded.Order())), reloaded.Order)


def test_a_package_folder_is_a_plugin_too(tmp_path: Path):
    write(tmp_path / "shop", __init__="from .orders import FEE", orders="FEE = 5")

    assert load(tmp_path / "shop").FEE == 5


def test_a_file_that_fails_leaves_no_module_behind(tmp_path: Path):
    folder = write(tmp_path, processors="raise ValueError('half way')")

    with pytest.raises(ValueError, match="half way"):
        load(folder / "processors.py")

    path = str(folder / "processors.py")
    assert not [m for m in sys.modules.values() if getattr(m, "__file__", None) == path]


def test_what_is_no_python_file_is_refused(tmp_path: Path):
    (tmp_path / "notes.txt").write_text("buy low")

    with pytest.raises(ImportError, match=r"^expected a \.py file or a package folder, got"):
        load(tmp_path / "notes.txt")
