"""One name per answer, which itself says when, by which version and in which role it was given.

A UUID of version 8, whose bits are the maker's own (RFC 9562, section 5.8): whoever stores answers has a column type
for it, ids sort by time, and no log is needed to walk back from an answer to its model. From the left: 48 bits of
milliseconds since 1970, 31 of the model version, 1 of the role, 34 random, 8 of check against mistyping; the UUID's
own version and variant stand where they must. It is no signature: anyone can make one.
"""

import hashlib
import re
import secrets
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

from serving.traffic import CANARY, STABLE

PREDICTION_HEADER: Final = "X-Prediction-Id"

_FORM: Final = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_ROLES: Final = (STABLE, CANARY)
_VERSION_BITS, _ROLE_BITS, _RANDOM_BITS, _CHECK_BITS = 31, 1, 34, 8
_TAIL_BITS: Final = 62  # right of the UUID's variant
_MAX_VERSION: Final = (1 << _VERSION_BITS) - 1
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def looks_like_prediction_id(text: str) -> bool:
    """Whether it has the form of a UUID."""
    return _FORM.fullmatch(text) is not None


@dataclass(frozen=True)
class PredictionId:
    """What an id says.

    Attributes:
        at: when the answer was given, to the millisecond.
        version: of the model; None where its number was too large for an id.
        role: `stable` or `canary`.
    """

    at: datetime
    version: int | None
    role: str


def make_prediction_id(version: int, role: str) -> str:
    """A new id for an answer that is given now."""
    who = min(version, _MAX_VERSION) << _ROLE_BITS | _ROLES.index(role)
    return str(_assemble(time.time_ns() // 1_000_000, who << _RANDOM_BITS | secrets.randbits(_RANDOM_BITS)))


def read_prediction_id(text: str) -> PredictionId:
    """What an id says.

    >>> said = read_prediction_id(make_prediction_id(7, "canary"))
    >>> said.version, said.role
    (7, 'canary')

    Raises:
        ValueError: it is not such an id, or was mistyped.
    """
    bits = int(text.replace("-", ""), 16) if looks_like_prediction_id(text) else 0
    milliseconds, tail = bits >> 80, bits & ((1 << _TAIL_BITS) - 1)
    said = ((bits >> 64 & 0xFFF) << _TAIL_BITS | tail) >> _CHECK_BITS
    if _assemble(milliseconds, said).int != bits:
        raise ValueError(f'"{text}" is not the id of a prediction, or mistyped')
    who = said >> _RANDOM_BITS
    version = who >> _ROLE_BITS
    at = _EPOCH + timedelta(milliseconds=milliseconds)
    return PredictionId(at, None if version == _MAX_VERSION else version, _ROLES[who & ((1 << _ROLE_BITS) - 1)])


def _assemble(milliseconds: int, said: int) -> UUID:
    """Puts the bits where they belong; `said` are the 66 between time and check."""
    own = said << _CHECK_BITS | hashlib.blake2b(milliseconds.to_bytes(6) + said.to_bytes(9), digest_size=1).digest()[0]
    head, tail = own >> _TAIL_BITS, own & ((1 << _TAIL_BITS) - 1)
    return UUID(int=milliseconds << 80 | 8 << 76 | head << 64 | 0b10 << 62 | tail)
