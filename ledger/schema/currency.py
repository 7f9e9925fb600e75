"""The currencies that money in the book may have, and how finely each is paid.

The table holds the active alphabetic codes of ISO 4217 list one with their minor-unit exponent: two digits
for most, so those are written as one run of codes, and the exceptions beside them. It is a table in the code
and not a dependency because an exponent decides how an invoice is rounded: it must be the same on every
machine, and a change to it must be a visible change to this file.

Codes without a minor unit (gold, special drawing rights, test codes: XAU, XDR, XTS ...) are left out on
purpose: nothing can be rounded to a unit that does not exist, so nothing can be invoiced in them.
"""

from __future__ import annotations

import difflib
from decimal import Decimal
from functools import cache
from typing import Annotated

from pydantic import AfterValidator

_TWO_DIGITS = """
AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BMD BND BOB BOV BRL BSD BTN BWP BYN BZD CAD CDF CHE CHF CHW
CNY COP COU CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF
IDR ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK
MXN MXV MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP
SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD USN UYU UZS VED VES WST XAD XCD XCG
YER ZAR ZMW ZWG
"""
_OTHERS = {
    0: "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF",
    3: "BHD IQD JOD KWD LYD OMR TND",
    4: "CLF UYW",
}

#: Digits after the point of each active currency's smallest unit, by alphabetic code.
EXPONENTS: dict[str, int] = dict.fromkeys(_TWO_DIGITS.split(), 2) | {
    code: digits for digits, codes in _OTHERS.items() for code in codes.split()
}


@cache
def minor_unit(currency: str) -> Decimal:
    """The smallest amount that can be paid, such as ``Decimal('0.01')`` for EUR and ``Decimal('1')`` for JPY.

    Raises KeyError for a code that is not in the table.
    """
    return Decimal((0, (1,), -EXPONENTS[currency]))


def _active(code: str) -> str:
    if code not in EXPONENTS:
        near = difflib.get_close_matches(code.upper(), EXPONENTS, n=1, cutoff=0.8)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise ValueError(f"{code!r} is not an active ISO 4217 currency code that can be paid in{hint}")
    return code


#: A field of a definition that holds the code of a currency.
Currency = Annotated[str, AfterValidator(_active)]
