"""Symbolon's security tokens, for detect-secrets 1.5: detect-secrets scan -p symbolon_detector.py

The check characters are looked at, so there are no false findings.
"""

import re
import string
import zlib

from detect_secrets.plugins.base import RegexBasedDetector

DIGITS = string.digits + string.ascii_uppercase + string.ascii_lowercase


def is_token(text):
    """CRC-32 of the first 25 characters, modulo 62^5, in base 62."""
    rest = zlib.crc32(text[:25].encode()) % 62**5
    check = ""
    for _ in range(5):
        rest, digit = divmod(rest, 62)
        check = DIGITS[digit] + check
    return text[25:] == check


class SymbolonTokenDetector(RegexBasedDetector):
    """Finds tokens also behind a password, as API clients send them."""

    secret_type = "Symbolon security token"
    denylist = [re.compile(r"(?=(sbn[0-9A-Za-z]{27}))")]

    def analyze_string(self, string):
        for match in self.denylist[0].finditer(string):
            if is_token(match.group(1)):
                yield match.group(1)
