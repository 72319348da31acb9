# SPDX-License-Identifier: GPL-3.0-or-later
"""Primes for many RSA keys at once.

A lab of a thousand hosts needs three thousand keys, and finding the primes of one takes 50 to 100 milliseconds. So each
prime makes a key with every other: eighty primes are enough, and no two keys are the same. Lab only, and one of the
reasons why the lab guards nothing: whoever sees two public keys with a prime in common has the private ones too.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from cryptography.hazmat.primitives.asymmetric import rsa


@dataclass
class PrimePairs:
    """Pairs of primes whose product is a modulus of `bits`, each pair once; nothing is kept beyond the process."""

    bits: int
    exponent: int
    _primes: list[int] = field(default_factory=list, init=False)
    _pairs: list[tuple[int, int]] = field(default_factory=list, init=False)

    def take(self) -> tuple[int, int]:
        """Return a pair that was not returned before."""
        if not self._pairs:
            # Any two primes that a real key could have had: both have their two highest bits set.
            found = rsa.generate_private_key(self.exponent, self.bits).private_numbers()
            new = (found.p, found.q)
            self._pairs = [(old, prime) for old in self._primes for prime in new]
            self._pairs.append(new)
            self._primes += new
        return self._pairs.pop()
