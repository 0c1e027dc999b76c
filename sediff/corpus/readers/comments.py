"""What the comments of a WFDB header say: age, sex, codes, statements."""

import math
import re
from collections.abc import Iterator

OLDEST = 120.0  # years; beyond are codes such as 300
SEXES = {"m": "male", "male": "male", "f": "female", "female": "female"}
PERSON = re.compile(r"<?\b(age|sex|gender)\b>?\s*[:=]\s*([^\s,;:]+)[,;]?", re.IGNORECASE)
CODES = re.compile(r"Dx\s*:\s*(.*)", re.IGNORECASE)
MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")


def split_lines(content: bytes) -> tuple[list[str], list[str]]:
    """Lines and comments (without their #) of a header, which is UTF-8 or else Latin-1."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = content.decode("latin-1")
    stripped = [line.strip() for line in re.split(r"\r\n?|\n", text)]
    comments = [line.strip("# \t") for line in stripped if line.startswith("#")]
    return [line for line in stripped if line and not line.startswith("#")], comments


def person(comments: list[str]) -> tuple[float | None, str | None]:
    """Age in years and sex, as `Age: 74`, `<age>: 51`, `# sex: M` give them; None where unknown."""
    age, sex = None, None
    for comment in comments:
        for match in PERSON.finditer(comment):
            if match[1].lower() == "age":
                age = _years(match[2]) if age is None else age
            else:
                sex = sex or SEXES.get(match[2].lower())
    return age, sex


def snomed_codes(comments: list[str]) -> tuple[str, ...]:
    """SNOMED CT codes of the lines `Dx: 426783006,164889003`, each once; what is no number is left out."""
    found = (match[1] for comment in comments if (match := CODES.fullmatch(comment)))
    codes = (code for text in found for code in re.split(r"[,;\s]+", text))
    return tuple(dict.fromkeys(code for code in codes if code.isascii() and code.isdecimal()))


def statements(comments: list[str]) -> tuple[str, ...]:
    """The comments that are neither a person's age or sex, nor codes, nor empty."""
    rest = (PERSON.sub("", comment).strip() for comment in comments if not CODES.fullmatch(comment))
    return tuple(line for line in rest if line)


def recorded_at(lines: list[str]) -> str:
    """When a header says it was recorded, in ISO 8601: WFDB's `10:31:00 02/01/2165` or `02-Jan-2165 10:31:00`."""
    return next(filter(None, map(_date, [" ".join(line.split()[4:]) for line in lines[:1]])), "")


def _date(text: str) -> str:
    time = re.search(r"\b(\d{1,2}:\d{2}:\d{2})\b", text)
    date = re.search(r"\b(\d{1,2})[/-](\d{1,2}|[A-Za-z]{3})[/-](\d{4})\b", text)
    if date is None:
        return ""
    name = date[2].lower()
    month = int(name) if name.isdecimal() else MONTHS.index(name) + 1 if name in MONTHS else 0
    if not (1 <= month <= 12 and 1 <= int(date[1]) <= 31):
        return ""
    return f"{date[3]}-{month:02d}-{int(date[1]):02d}" + (f"T{time[1]:0>8}" if time else "")


def _years(text: str) -> float | None:
    try:
        age = float(text)
    except ValueError:
        return None
    return age if math.isfinite(age) and 0 <= age <= OLDEST else None


def lines_after(comments: list[str], title: str) -> Iterator[str]:
    """The comments that follow the one with this title."""
    following = False
    for comment in comments:
        if following and comment:
            yield comment
        following = following or comment.lower().startswith(title)
