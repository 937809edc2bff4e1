"""What must not stand in a log: secrets, and what tells who a person is. Pure.

The first rule is not here: nothing logs what was sent (bodies, headers, values). This is for what gets into a line all
the same, mostly in the text of an error that quotes what it met. Ids, codes and amounts stay: they are what one looks a
matter up by.
"""

import re
from collections.abc import Mapping
from typing import Any

GONE = "[redacted]"

_SECRETS = "passw|secret|token|authoriz|cookie|credential|api_?key|private_?key|dsn|database_url"
_PERSONAL = (
    "e?mail|phone|address|street|city|post_?code|zip_?code|first_?name|last_?name|full_?name|recipient|birth|passport"
    "|card_?n|pan(?![a-z])|cvc|cvv|iban|account_number|tax_id"
)
_TELLING = rf"(?:{_SECRETS}|(?<![a-zA-Z])(?:{_PERSONAL}))"
_FIELD = re.compile(rf"(?i){_TELLING}")

_DETAIL = re.compile(r"(?s)\b(?:DETAIL|CONTEXT|QUERY):.*")
"""What PostgreSQL adds to an error: the row, as it was to be written."""
_INPUT = re.compile(r"(?s)input_value=.*?(?=, input_type=|$)")
"""What pydantic quotes."""
_VALUE = r"""(?:bearer|basic)\s+\S+|\\?"[^"]*"|'[^']*'|[^\s,;&}\]]+"""
_PAIR = re.compile(rf"""(?i)([\w\-]*{_TELLING}[\w\-]*\\?['"]?\s*[:=]\s*)(?:{_VALUE})""")
_PATTERNS = (
    re.compile(r"(?i)\b(?:bearer|basic)\s+[\w.~+/=\-]{8,}"),
    re.compile(r"\beyJ[\w\-]+\.[\w\-]+(?:\.[\w\-]*)?"),
    re.compile(r"\bwhsec_[\w+/=\-]+"),
    re.compile(r"(?s)-----BEGIN [A-Z ]+-----.*?(?:-----END [A-Z ]+-----|$)"),
    re.compile(r"[\w.+%\-]+(?:@|%40)[\w\-]+(?:\.[\w\-]+)+"),
    re.compile(r"(?<![\w:.])\+\d[\d ()\-]{7,}\d"),
)
_USERINFO = re.compile(r"(\b[a-zA-Z][\w+.\-]*://)[^/\s@]*@(?=[^\s])")
_DIGITS = re.compile(r"(?<![\w.])\d(?:[ \-]?\d){12,18}(?![\w])")
_IBAN = re.compile(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{2,4}){3,8}\b")


def text(value: str) -> str:
    """The text without what must not be read in it."""
    value = _DETAIL.sub(GONE, value)
    value = _INPUT.sub(f"input_value={GONE}", value)
    # Before e-mail addresses, which the end of an address with a password in it looks like.
    value = _USERINFO.sub(rf"\1{GONE}@", value)
    value = _PAIR.sub(rf"\1{GONE}", value)
    for pattern in _PATTERNS:
        value = pattern.sub(GONE, value)
    value = _DIGITS.sub(lambda found: GONE if _is_card(found[0]) else found[0], value)
    return _IBAN.sub(lambda found: GONE if _is_iban(found[0]) else found[0], value)


def redacted(value: Any) -> Any:
    """The same of anything that is about to become JSON: texts cleaned, and fields with a telling name emptied."""
    match value:
        case str():
            return text(value)
        case Mapping():
            return {
                text(str(name)): GONE if _FIELD.search(str(name)) and not isinstance(each, bool) else redacted(each)
                for name, each in value.items()
            }
        case list() | tuple() | set() | frozenset():
            return [redacted(each) for each in value]
        case bool() | int() | float() | None:
            return value
        case _:
            return text(str(value))


def _is_card(found: str) -> bool:
    """Luhn's check, and not a row of zeros, which passes it."""
    digits = [int(each) for each in found if each.isdigit()]
    doubled = [sum(divmod(digit * 2, 10)) for digit in digits[-2::-2]]
    return any(digits) and (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0


def _is_iban(found: str) -> bool:
    """ISO 13616: modulo 97 it is 1."""
    plain = found.replace(" ", "")
    return 15 <= len(plain) <= 34 and int("".join(str(int(each, 36)) for each in plain[4:] + plain[:4])) % 97 == 1
