"""The languages of invoices, in one place. A new one is one module with its texts, and one line in ``LANGUAGES``.

Only the texts are kept here. How numbers, amounts and days look is known for every language and region, so ``de-CH`` has the German texts and Swiss figures.
"""

from __future__ import annotations

from collections.abc import Mapping

from babel import Locale, UnknownLocaleError

from ledger.export.errors import UnknownLanguage
from ledger.export.languages import english, french, german, japanese, spanish
from ledger.export.languages.labels import Labels

#: The texts by ISO 639-1 code.
LANGUAGES: Mapping[str, Labels] = {
    "de": german.LABELS,
    "en": english.LABELS,
    "es": spanish.LABELS,
    "fr": french.LABELS,
    "ja": japanese.LABELS,
}
#: What an invoice is written in where nobody chose.
DEFAULT_LANGUAGE = "en"


def language_of(tag: str) -> tuple[Locale, Labels]:
    """Locale and texts of a language tag. Raises UnknownLanguage."""
    try:
        locale = Locale.parse(tag, sep="-")
    except (UnknownLocaleError, ValueError) as error:
        raise _unknown(tag) from error
    if locale.language not in LANGUAGES:
        raise _unknown(tag)
    return locale, LANGUAGES[locale.language]


def _unknown(tag: str) -> UnknownLanguage:
    known = ", ".join(sorted(LANGUAGES))
    return UnknownLanguage(
        f"language {tag!r} is not one that invoices are written in: give one of {known}, with a region if it matters, such as de-CH"
    )
