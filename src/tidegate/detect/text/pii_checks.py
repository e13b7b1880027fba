"""Exact checks of sensitive values: check digits, assigned ranges, known lengths.

>>> card("4111 1111 1111 1111"), card("4111 1111 1111 1112")
(True, False)
>>> iban("GB82 WEST 1234 5698 7654 32")
True
"""

import base64
import binascii
import ipaddress
import json
import re
from collections.abc import Callable
from importlib import import_module

_LUHN_DOUBLE = (0, 2, 4, 6, 8, 1, 3, 5, 7, 9)
_CARD_GROUPS = {(4, 4, 4, 4), (4, 6, 5), (4, 6, 4), (4, 4, 4, 1), (4, 4, 4, 4, 3)}
_MIN_DISTINCT = 8
_OCTET = 64

# Issuer ranges: first and last prefix, card lengths (ISO/IEC 7812 ranges as the networks publish).
_ISSUERS = (
    ("4", "4", (13, 16, 19)),
    ("51", "55", (16,)),
    ("2221", "2720", (16,)),
    ("34", "34", (15,)),
    ("37", "37", (15,)),
    ("6011", "6011", (16, 19)),
    ("644", "649", (16, 19)),
    ("65", "65", (16, 19)),
    ("3528", "3589", (16, 19)),
    ("2131", "2131", (15, 16)),
    ("1800", "1800", (15, 16)),
    ("300", "305", (14, 16)),
    ("36", "36", (14, 16)),
    ("38", "39", (14, 16)),
    ("62", "62", (16, 17, 18, 19)),
    ("50", "50", (12, 13, 14, 15, 16, 17, 18, 19)),
    ("56", "58", (12, 13, 14, 15, 16, 17, 18, 19)),
    ("63", "63", (12, 13, 14, 15, 16, 17, 18, 19)),
    ("67", "67", (12, 13, 14, 15, 16, 17, 18, 19)),
)

# Total IBAN length by country (SWIFT IBAN registry).
_IBAN_LENGTHS = {
    code: length
    for length, codes in {
        15: "NO",
        16: "BE",
        18: "DK FI FO GL NL SD FK",
        19: "MK SI",
        20: "AT BA EE KZ LT LU XK MN",
        21: "CH HR LI LV",
        22: "BG BH CR DE GB GE IE ME RS VA",
        23: "AE GI IL IQ OM TL SO",
        24: "AD CZ ES MD PK RO SA SE SK TN VG",
        25: "PT ST LY",
        26: "IS TR",
        27: "FR GR IT MC MR SM DJ BI",
        28: "AL AZ BY CY DO GT HU LB NI PL SV",
        29: "BR EG PS QA UA",
        30: "JO KW MU YE",
        31: "MT SC",
        32: "LC",
        33: "RU",
    }.items()
    for code in codes.split()
}


def digits(text: str) -> str:
    """Return the ASCII digits of a text."""
    return "".join(char for char in text if "0" <= char <= "9")


def luhn(number: str) -> bool:
    """Check the last digit of a number (ISO/IEC 7812-1, annex B)."""
    total = 0
    for place, char in enumerate(reversed(number)):
        digit = ord(char) - 48
        total += _LUHN_DOUBLE[digit] if place % 2 else digit
    return total % 10 == 0


def card(text: str) -> bool:
    """Check a payment card number: issuer range, length, grouping, Luhn; all-same is refused."""
    groups = re.split(r"[ -]", text)
    number = "".join(groups)
    if len(groups) > 1 and tuple(map(len, groups)) not in _CARD_GROUPS:
        return False
    if not luhn(number) or len(set(number)) < 2:  # noqa: PLR2004 - zeros pass Luhn
        return False
    return any(
        len(number) in lengths and first <= number[: len(first)] <= last
        for first, last, lengths in _ISSUERS
    )


def iban(text: str) -> bool:
    """Check an IBAN: country, length, mod 97 (ISO 13616)."""
    compact = text.replace(" ", "").upper()
    if len(compact) != _IBAN_LENGTHS.get(compact[:2]):
        return False
    moved = compact[4:] + compact[:4]
    return int("".join(str(int(char, 36)) for char in moved)) % 97 == 1


def us_ssn(text: str) -> bool:
    """Check the ranges that are never assigned (SSA, randomisation rules of 2011)."""
    number = digits(text)
    area, group, serial = number[:3], number[3:5], number[5:]
    return area not in {"000", "666"} and area < "900" and group != "00" and serial != "0000"


def us_npi(text: str) -> bool:
    """Check a US National Provider Identifier: Luhn with the prefix 80840 (45 CFR 162.406)."""
    return text[:1] in {"1", "2"} and luhn("80840" + text)


def nanp(text: str) -> bool:
    """Check a North American number: area code and exchange start with 2 to 9, no N11 area."""
    number = digits(text.partition("x")[0])
    number = number.removeprefix("00")
    if len(number) == 11 and number[0] == "1":  # noqa: PLR2004 - with the country code
        number = number[1:]
    if len(number) != 10 or number[1:3] == "11":  # noqa: PLR2004 - national length
        return False
    return number[0] not in "01"


def international(text: str) -> bool:
    """Check the length of a number with + and country code (ITU-T E.164: at most 15 digits)."""
    number = digits(text.partition("x")[0])
    return 8 <= len(number) <= 15 and number[0] != "0"  # noqa: PLR2004 - shortest in use


def trunk(text: str) -> bool:
    """Check the length of a national number with trunk prefix 0."""
    return 9 <= len(digits(text)) <= 12  # noqa: PLR2004 - national numbers with their 0


def public_ipv4(text: str) -> bool:
    """Check for a routable IPv4 address that is hardly a version number (an octet over 63)."""
    try:
        address = ipaddress.IPv4Address(text)
    except ValueError:
        return False
    return address.is_global and max(address.packed) >= _OCTET


def public_ipv6(text: str) -> bool:
    """Check for a routable IPv6 address with at least three groups."""
    try:
        address = ipaddress.IPv6Address(text)
    except ValueError:
        return False
    return address.is_global and text.count(":") > 2  # noqa: PLR2004 - "::" alone says nothing


def random_looking(text: str) -> bool:
    """Check that a secret is no placeholder: enough different characters, no "example"."""
    return no_placeholder(text) and len(set(text)) >= _MIN_DISTINCT


def no_placeholder(text: str) -> bool:
    """Check that a value does not say of itself that it is an example."""
    lowered = text.lower()
    return not any(word in lowered for word in ("example", "xxxx", "placeholder"))


def jwt(text: str) -> bool:
    """Check that the first part of a token is a JSON object with ``alg`` (RFC 7515)."""
    head = text.partition(".")[0]
    try:
        value = json.loads(base64.urlsafe_b64decode(head + "=" * (-len(head) % 4)))
    except (binascii.Error, ValueError, RecursionError):
        return False
    return isinstance(value, dict) and "alg" in value


def always(text: str) -> bool:
    """Accept what has the shape."""
    return bool(text)


def national(module: str) -> Callable[[str], bool]:
    """Return the check of a national number by its python-stdnum module, such as ``nl.bsn``."""

    def check(text: str) -> bool:
        try:
            return bool(import_module(f"stdnum.{module}").is_valid(text))
        except (LookupError, ValueError):  # stdnum 2.2: cn.ric raises KeyError on unknown places
            return False

    return check
