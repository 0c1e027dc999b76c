"""Age, sex and heart rate as free text states them, in English or German."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from sediff.language import detect_language

Sex = Literal["male", "female"]
OLDEST = 120  # years
SLOWEST, FASTEST = 20, 300  # bpm
YEARS_IN = {"y": 1.0, "j": 1.0, "m": 1 / 12, "w": 7 / 365.25, "d": 1 / 365.25, "t": 1 / 365.25}

SEXES: dict[Sex, str] = {
    "male": r"man|men|male|gentleman|boy|Mann|Herrn?|männlich(?:e[rsnm]?)?|maennlich(?:e[rsnm]?)?|Junge",
    "female": r"woman|women|female|lady|girl|Frau|Dame|weiblich(?:e[rsnm]?)?|Mädchen|Maedchen|Patientin",
}
ANY_SEX = "|".join(SEXES.values())
# What says it less clearly: German "Patient", which is neutral in English; English pronouns.
GERMAN_SEXES: dict[Sex, str] = {"male": r"Patient(?:en)?|\w*j(?:ä|ae)hriger", "female": r"\w*j(?:ä|ae)hrige"}
PRONOUNS: dict[Sex, str] = {"male": "he|his|him", "female": "she|her"}
LETTERS: dict[str, Sex] = {"m": "male", "f": "female", "w": "female"}
# A letter beside an age: a capital one, or a small one that ends a phrase ("65 J., w." but not "65 yo w HTN").
LETTER_AFTER = re.compile(r"[\s.,/()-]{0,4}([MFW](?![\w'/.-])|[mfw](?=\s*(?:[,;.)]|$)))")
LETTER_NAMED = re.compile(r"\b(?:sex|gender|Geschlecht)[:= ]{1,2}([mfw])\b", re.IGNORECASE)
LETTER_BEFORE = re.compile(r"(?<![\w'.-])([MFWmfw])[\s,/(-]{1,3}$")

# A sign or thousands ("-5", "1,000") belong to a number that nobody has.
NUMBER = r"(?<![\w.,/+-])(?P<number>-?\d{1,6}(?:,\d{3}(?!\d)|[.,]\d{1,3})?)"
LETTER = r"(?-i:[MF](?![\w'/.-]))"  # of a sex
UNIT = r"(?P<unit>year|month|week|day)s?"
# "20 years" alone may be an age or a length of time, which other words beside it make it.
BEFORE_A_LENGTH = "".join(rf"(?<!\b{w} )" for w in ("for", "since", "past", "last", "over", "seit", "vor", "nach"))
AFTER_A_LENGTH = r"(?!\w|\.?\s*(?:ago|history|of|lang\b|zuvor|duration|pack))"
AGES = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        rf"{NUMBER}[ -]{{0,2}}{UNIT}[ -]?(?:old|of age)\b",
        rf"{NUMBER}[ -]?(?P<unit>y)(?:r|rs|ears?)?[ -]?[./]?[ -]?o(?:ld)?(?:\b|(?={LETTER}))",
        rf"{NUMBER}[ -]?(?P<unit>j)(?:ä|ae|a)hr(?:ig(?:e[rsnm]?)?\b|\.)",
        rf"{NUMBER} ?(?P<unit>y)(?:r|rs)?(?: ?(?={LETTER})|(?=\s*(?:[,;)]|$)))",
        rf"(?<![\w.,/-])(?P<number>\d{{1,3}})/(?={LETTER})",
        r"\b(?:pt|patient|he|she) is (?P<number>\d{1,3})(?!\w|[.,:/-]\d| ?(?:/|%|[mk]\w|bpm))",
        rf"{NUMBER} ?(?P<unit>Jahre|Monate|Wochen|Tage) alt\b",
        r"(?<!\bat )\b(?:age|aged|Alter(?: von)?)[: ]{1,2}(?P<number>\d{1,6})\b(?!\.\d)",
        rf"\b(?:{ANY_SEX})[,:( ]{{1,2}}(?P<number>\d{{1,3}})(?!\w|[.,:/-]\d| ?(?:/|%|[mk]\w|bpm))",
        rf"{BEFORE_A_LENGTH}{NUMBER} ?-?(?P<unit>yrs?|years?|Jahre|J){AFTER_A_LENGTH}",
        rf"(?<![\w.,/-])(?P<number>\d{{1,3}}) ?-?(?={LETTER})",
        r"(?<![\w/])(?-i:[MFW])/(?P<number>\d{1,3})(?![\w/])",
    )
)

THOUSANDS = re.compile(r",\d{3}$")

PER_MINUTE = (
    r"(?:bpm\b|b\.p\.m\.?|beats? ?(?:/|per) ?min(?:ute)?\b|/ ?min(?:ute)?\b"
    r"|(?:Schläge|Schlaege|Schl\.?) ?(?:/|pro) ?Min(?:ute)?\b)"
)
RATE_NAMES = r"(?:heart[ -]rate|ventricular rate|rate|HR|pulse|Herzfrequenz|Kammerfrequenz|Frequenz|HF|Puls)"
BETWEEN = r"(?:[:= ~]|\b(?:of|von|is|around|about|ca)\b\.?){1,4}"
# What is a rate of something else; (?<!\w) for "Atemfrequenz" and the like.
NOT_OF_THE_HEART = "".join(rf"(?<!{w} )" for w in ("atrial", "respiratory", "breathing", "resp", "target", "maximum"))
BPM = r"\d{1,6}(?:\.\d{1,2})?"
RANGE = rf"(?<![\w.,])(?P<low>{BPM})(?: ?(?:-|–|to|bis) ?(?P<high>{BPM}))?(?![\d.,]\d)"
RATES = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        rf"(?<!\w){NOT_OF_THE_HEART}{RATE_NAMES}{BETWEEN}{RANGE}(?: ?{PER_MINUTE})?",
        rf"(?<!rate )(?<!rate of )(?<!frequenz )(?<!\bRR )(?<!\bAF ){RANGE} ?{PER_MINUTE}",
    )
)
RHYTHMS = (
    r"(?:\b(?:sinus ?)?(?:brady|tachy)(?:cardia|kardie)?|\bsinus ?rhythm(?:us)?|\bn?sr|\ba-?fib|\baf|\bvhf"
    r"|\bvorhofflimmern|\bfibrillation|\bflutter|\brvr|\bsvt)"
)
NO_RATE = r"(?!\w|[.,:/-]\d| ?(?:ms|mm|mg|m?V|%|°|/(?! ?min)|(?:y|j|years?|yrs?|old|days?|hours?|h|m|f|Jahre)\b))"
# A number beside a rhythm: "sinus brady 48", "AF with RVR at 145"; "AF" is respiration in German, which is slower.
BESIDE_A_RHYTHM = re.compile(
    rf"{RHYTHMS}(?: (?:at|with|mit|um|a rate of))* (?P<rate>(?:[4-9]\d|[12]\d\d){NO_RATE}(?: ?{PER_MINUTE})?)",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Person:
    """What a text states of the patient; None where it does not.

    Attributes:
        age: years, 0 to 120; heart_rate: bpm, 20 to 300, the middle of a range.
        rest: the text without ages and rates; words such as "female" stay, they are part of names of diseases too.
        refused: ages and rates that nobody has, as they stand in the text.
        passed_over: other ages, sexes and rates than those that count, as they stand in the text.
    """

    age: float | None
    sex: Sex | None
    heart_rate: float | None
    rest: str
    refused: tuple[str, ...]
    passed_over: tuple[str, ...]


class Mention(NamedTuple):
    """A number in a text, and where it stands."""

    start: int
    end: int
    value: float


def read_person(text: str) -> Person:
    """Find age, sex and heart rate; of several mentions the clearest that is possible counts, then the first."""
    rates = _apart(_rates(text), len(text))
    heart_rate, other_rates, impossible_rates = _first(rates, SLOWEST, FASTEST, text)
    text = _without(text, rates)
    ages = _apart(_ages(text), len(text))
    age, other_ages, impossible_ages = _first(ages, 0, OLDEST, text)
    letters = list(_letters(text, ages))
    sex, other_sex = _sex(text, letters)
    rest = _without(text, [*ages, *letters])
    passed_over = tuple(dict.fromkeys([*other_ages, *other_sex, *other_rates]))
    return Person(age, sex, heart_rate, rest, (*impossible_ages, *impossible_rates), passed_over)


def _rates(text: str) -> Iterator[Mention]:
    for pattern in RATES:
        for match in pattern.finditer(text):
            yield Mention(*match.span(), (float(match["low"]) + float(match["high"] or match["low"])) / 2)
    for match in BESIDE_A_RHYTHM.finditer(text):
        yield Mention(*match.span("rate"), float(match["rate"][:3]))


def _ages(text: str) -> Iterator[Mention]:
    for pattern in AGES:
        for match in pattern.finditer(text):
            unit = YEARS_IN[(match.groupdict().get("unit") or "y")[0].lower()]
            yield Mention(*match.span(), round(_number(match["number"]) * unit, 2))


def _number(written: str) -> float:
    """ "1.5" and "1,5" are one and a half, "1,000" a thousand."""
    return float(written.replace(",", "" if THOUSANDS.search(written) else "."))


def _apart(mentions: Iterable[Mention], length: int) -> list[Mention]:
    """Those that overlap none before them."""
    taken, kept = bytearray(length), []
    for mention in mentions:
        if not any(taken[mention.start : mention.end]):
            taken[mention.start : mention.end] = b"1" * (mention.end - mention.start)
            kept.append(mention)
    return kept


def _first(mentions: list[Mention], least: float, most: float, text: str) -> tuple[float | None, list[str], list[str]]:
    """The first possible value, the words of other possible ones, and of those that are impossible."""
    possible = [mention for mention in mentions if least <= mention.value <= most]
    others = [text[m.start : m.end].strip() for m in possible if m.value != possible[0].value]
    refused = [text[m.start : m.end].strip() for m in mentions if not least <= m.value <= most]
    return possible[0].value if possible else None, others, refused


Said = tuple[int, int, Sex]  # from, to, which


def _sex(text: str, letters: list[Said]) -> tuple[Sex | None, list[str]]:
    """The sex that is said first, if any is said clearly, or else less clearly; words that say the other as clearly."""
    german = detect_language(text) == "de"
    words = [said for said in _words(text, SEXES) if not (german and text[said[0] : said[1]] == "man")]  # "one"
    found = [*letters, *words] or list(_words(text, GERMAN_SEXES if german or "hrige" in text else PRONOUNS))
    if not found:
        return None, []
    first = min(found)[2]
    return first, [text[start:end].strip() for start, end, sex in sorted(found) if sex != first]


def says_sex(word: str) -> bool:
    """Whether a word is one of those that state a sex."""
    return re.fullmatch(ANY_SEX, word, re.IGNORECASE) is not None


def _letters(text: str, ages: list[Mention]) -> Iterator[Said]:
    for match in LETTER_NAMED.finditer(text):
        yield *match.span(), LETTERS[match[1].lower()]
    for age in ages:
        after, before = LETTER_AFTER.match(text, age.end), LETTER_BEFORE.search(text[max(0, age.start - 5) : age.start])
        first = text[age.start].lower()
        if after:
            yield *after.span(), LETTERS[after[1].lower()]
        elif before:
            yield age.start - len(before.group()), age.start, LETTERS[before[1].lower()]
        elif first in LETTERS and text[age.start + 1 : age.start + 2] == "/":
            yield age.start, age.end, LETTERS[first]


def _words(text: str, sexes: dict[Sex, str]) -> Iterator[Said]:
    for sex, words in sexes.items():
        for match in re.finditer(rf"\b(?:{words})\b", text, re.IGNORECASE):
            yield *match.span(), sex


def _without(text: str, spans: Iterable[tuple[int, int, Any]]) -> str:
    """A text with spaces where the spans stood."""
    characters = list(text)
    for start, end, _ in spans:
        characters[start:end] = " " * (end - start)
    return "".join(characters)
