"""The kinds of personal data, and where in a text one was found."""

import re
from enum import StrEnum
from typing import NamedTuple


class Kind(StrEnum):
    """A kind of personal data; its value is the word that stands in the text afterwards."""

    PERSON = "PERSONA"
    DNI = "DNI"
    RUC = "RUC"
    DOCUMENT = "DOCUMENTO"
    PHONE = "TELEFONO"
    EMAIL = "CORREO"
    ADDRESS = "DIRECCION"
    CARD = "TARJETA"
    ACCOUNT = "CUENTA"
    HANDLE = "USUARIO"
    LINK = "ENLACE"
    PLATE = "PLACA"

    @property
    def placeholder(self) -> str:
        """What is written instead, such as `[DNI]`."""
        return f"[{self.value}]"


class Span(NamedTuple):
    """Characters `start` to `end` (exclusive) of a text; holds no text itself."""

    start: int
    end: int
    kind: Kind


PLACEHOLDER = re.compile(r"\[(?:" + "|".join(Kind) + r")\]")
