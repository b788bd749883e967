from __future__ import annotations

import traceback

import pytest

from toril.errors import SecretError
from toril.plugins.descriptors import SecretProvider
from toril.plugins.secrets import is_secret, resolve_secret


def fail(path: str) -> str:
    raise ConnectionError(f"refused with token hunter2 at {path}")


PROVIDERS = {
    "vault": SecretProvider(name="vault", resolve=lambda path: f"<{path}>"),
    "broken": SecretProvider(name="broken", resolve=fail),
    "bytes": SecretProvider(name="bytes", resolve=lambda path: b"x"),  # type: ignore[arg-type,return-value]
}


def test_a_reference_is_resolved_by_its_provider():
    assert resolve_secret("secret://vault/a/b c?d", PROVIDERS) == "<a/b c?d>"


@pytest.mark.parametrize(
    ("reference", "sentence"),
    [
        ("vault/x", "expected secret://PROVIDER/PATH, got 'vault/x'"),
        ("secret://vault/", "expected secret://PROVIDER/PATH, got 'secret://vault/'"),
        (
            "secret://vaul/x",
            "no secret provider 'vaul' for 'secret://vaul/x'; did you mean 'vault'?",
        ),
        (
            "secret://aws/x",
            "no secret provider 'aws' for 'secret://aws/x'; known are vault, broken, bytes",
        ),
        (
            "secret://broken/x",
            "'secret://broken/x' cannot be resolved: provider 'broken' raised ConnectionError",
        ),
        (
            "secret://bytes/x",
            "'secret://bytes/x' cannot be resolved: provider 'bytes' gave a bytes, expected text",
        ),
    ],
)
def test_a_reference_that_cannot_be_resolved_says_why(reference: str, sentence: str):
    with pytest.raises(SecretError) as refused:
        resolve_secret(reference, PROVIDERS)

    assert str(refused.value) == sentence


def test_the_providers_own_words_stay_out_of_the_sentence_and_in_the_cause():
    with pytest.raises(SecretError) as refused:
        resolve_secret("secret://broken/x", PROVIDERS)

    assert isinstance(refused.value.__cause__, ConnectionError)
    assert "hunter2" not in "".join(traceback.format_exception_only(refused.value))


@pytest.mark.parametrize(
    ("value", "answer"), [("secret://env/X", True), ("redis://localhost", False), (3, False)]
)
def test_references_are_told_from_other_values(value: object, answer: bool):
    assert is_secret(value) is answer
