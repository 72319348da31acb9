# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import TYPE_CHECKING

from ansible_collections.guarded.fabric.lab.world import tpm
from ansible_collections.guarded.fabric.lab.world.primes import PrimePairs
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import load_der_private_key

if TYPE_CHECKING:
    import pytest

BITS = 1024
EXPONENT = 65537


def test_no_two_pairs_are_the_same_and_each_makes_a_modulus_of_the_right_size() -> None:
    pairs = PrimePairs(BITS, EXPONENT)
    moduli = {p * q for p, q in (pairs.take() for _ in range(500))}
    assert len(moduli) == 500
    assert {modulus.bit_length() for modulus in moduli} == {BITS}


def test_hundreds_of_keys_cost_a_few_searches_for_primes(monkeypatch: pytest.MonkeyPatch) -> None:
    searches = []
    original = rsa.generate_private_key

    def counted(public_exponent: int, key_size: int) -> rsa.RSAPrivateKey:
        searches.append(key_size)
        return original(public_exponent, key_size)

    monkeypatch.setattr(rsa, "generate_private_key", counted)
    pairs = PrimePairs(BITS, EXPONENT)
    for _ in range(500):
        pairs.take()
    assert len(searches) <= 17  # 34 primes make 561 pairs


def test_a_key_of_a_tpm_is_one_that_the_cryptography_library_takes_after_every_check() -> None:
    tpm.new_rsa_key()
    key = load_der_private_key(tpm.new_rsa_key(), None)
    assert isinstance(key, rsa.RSAPrivateKey)
    assert key.key_size == 2048
