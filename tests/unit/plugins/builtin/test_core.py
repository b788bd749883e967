from __future__ import annotations

from pathlib import Path

import pytest

from toril.declarations.backoff import BUILTIN_BACKOFFS
from toril.errors import SecretError
from toril.plugins.builtin import core
from toril.plugins.manager import PluginManager


@pytest.fixture(scope="module")
def manager() -> PluginManager:
    return PluginManager.load()


def test_it_brings_every_built_in_backoff(manager: PluginManager):
    assert dict(manager.backoffs) == dict(BUILTIN_BACKOFFS)


def test_an_environment_variable_is_a_secret(
    manager: PluginManager, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("TORIL_TEST_TOKEN", "a b\n")

    assert manager.resolve_secret("secret://env/TORIL_TEST_TOKEN") == "a b\n"


def test_a_variable_that_is_not_set_is_named(
    manager: PluginManager, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.delenv("TORIL_TEST_TOKEN", raising=False)

    with pytest.raises(SecretError) as refused:
        manager.resolve_secret("secret://env/TORIL_TEST_TOKEN")

    assert str(refused.value) == (
        "environment variable 'TORIL_TEST_TOKEN' is not set; "
        "set it, or change 'secret://env/TORIL_TEST_TOKEN'"
    )


@pytest.mark.parametrize("text", ["pa ss", "pa ss\n", "pa ss\r\n"])
def test_a_file_is_a_secret_without_its_line_break(
    manager: PluginManager, tmp_path: Path, text: str
):
    file = tmp_path / "password"
    file.write_bytes(text.encode())

    assert manager.resolve_secret(f"secret://file{file}") == "pa ss"
    assert manager.resolve_secret(f"secret://file/{file}") == "pa ss"


def test_a_file_that_is_not_there_is_named(tmp_path: Path):
    with pytest.raises(SecretError) as refused:
        core.read_secret_file.resolve(str(tmp_path / "gone"))

    assert str(refused.value) == (
        f"secret file '{tmp_path / 'gone'}' cannot be read: No such file or directory"
    )


def test_a_file_that_is_no_text_is_refused(tmp_path: Path):
    (tmp_path / "key").write_bytes(b"\xff\xfe")

    with pytest.raises(SecretError) as refused:
        core.read_secret_file.resolve(str(tmp_path / "key"))

    assert str(refused.value) == (
        f"secret file '{tmp_path / 'key'}' cannot be read: it is not UTF-8 text"
    )
