"""Check digits of Peruvian documents and of payment cards.

Every function takes a string of decimal digits.
"""

_RUC_WEIGHTS = (5, 4, 3, 2, 7, 6, 5, 4, 3, 2)
_DNI_WEIGHTS = (3, 2, 7, 6, 5, 4, 3, 2)
_DNI_DIGITS, _DNI_LETTERS = "65432110987", "KJIHGFEDCBA"


def dni_check_characters(digits: str) -> str:
    """The two characters that may follow the eight digits of a DNI: a digit, and a letter on older cards.

    >>> dni_check_characters("12345678")
    '1E'
    """
    rest = sum(weight * int(digit) for weight, digit in zip(_DNI_WEIGHTS, digits, strict=True)) % 11
    return _DNI_DIGITS[rest] + _DNI_LETTERS[rest]


def is_ruc(digits: str) -> bool:
    """Whether the eleventh digit follows from the ten before (SUNAT, modulus 11).

    >>> is_ruc("20123456786"), is_ruc("20123456787")
    (True, False)
    """
    total = sum(weight * int(digit) for weight, digit in zip(_RUC_WEIGHTS, digits[:10], strict=True))
    return (11 - total % 11) % 10 == int(digits[10])


def is_luhn(digits: str) -> bool:
    """Whether the digits of a card satisfy Luhn's formula (ISO/IEC 7812-1).

    >>> is_luhn("4111111111111111"), is_luhn("4111111111111112")
    (True, False)
    """
    total = 0
    for place, digit in enumerate(map(int, reversed(digits))):
        doubled = digit * 2 if place % 2 else digit
        total += doubled - 9 if doubled > 9 else doubled
    return total % 10 == 0
