"""Which words of a text nothing was read in."""

import re
from collections.abc import Callable, Mapping, Sequence

from sediff.phrases import tokenise
from sediff.vocabulary.certainty import Item, Mention

SHORTEST = 3  # letters, of a word that means something, unless it is an abbreviation in capitals
# Words that say nothing of a patient by themselves, English and German, as `tokenise` gives them.
FILLERS = frozenset(
    re.findall(
        r"\w+",
        """
        a an the this that these those there here it its he she they him her his their who which what i we you my
        your our is are was were be been being am has have had having does do did may might can could will would
        should shall of in on at to from by for with without within into onto as than then so if when while where
        since until during after before under over above below about around between because due via per and or not
        no yes but also too very more most less least longer some any all each both other same such only just still
        again now today currently presently known found seen shows show showed shown showing noted presents presenting
        presented presentation reports reported complains complaining suffers suffering takes taking taken receives
        given gets feels patient patients person people year years old aged age day days week weeks month months ago
        please make generate synthesize give me create record tracing trace ecg ekg electrocardiogram lead leads
        twelve evidence sign signs case
        der die das den dem des ein eine einer eines einem einen er sie es sein seine ihr ihre wir ich mein man ist
        sind war waren wird werden wurde wurden hat haben hatte hatten habe kann koennte soll sollte sei von vom im
        in am an auf aus bei beim bis durch fuer gegen mit nach ohne seit ueber um unter vor zu zum zur zwischen als
        wie wenn weil dass und oder aber auch noch nur schon sehr mehr jetzt heute heutigen diesem dieser diese
        dieses aktuell derzeit bekannt bekannte bekannter bekanntes bekannten konnte konnten koennen zeigt zeigen
        zeigte nimmt erhaelt klagt leidet berichtet patient patientin patienten jahr jahre jahren alt tag tage tagen
        woche wochen monat monate hinweis zeichen
        och med utan som den det ett en av vid
        """,
    )
)


def unread(
    text: str, items: Sequence[Item], said: Mapping[int, Mention], filler: Callable[[str], bool]
) -> tuple[str, ...]:
    """Runs of words that are no finding and no word of certainty, as the text spells them, each once.

    What is said of other people is among them, for it is read of nobody. Fillers count only inside a run, and numbers
    only beside words.

    Args:
        text, items: a text and its pieces.
        said: of the findings among the items, as `certainties` gives it.
        filler: which words say nothing besides `FILLERS`.
    """
    spelt = {tokens[0]: word for word in re.findall(r"\w[\w'’-]*", text) if len(tokens := tokenise(word)) == 1}
    runs: list[list[str]] = [[]]
    for position, item in enumerate(items):
        if item.kind in ("word", "turn", "other_before") or said.get(position) == "other":
            runs[-1] += item.words.split()
        else:
            runs.append([])
    phrases = [_trimmed(run, lambda word: word.lower() in FILLERS or filler(word)) for run in runs]
    told = [" ".join(spelt.get(word, word) for word in phrase) for phrase in phrases if any(map(_means, phrase))]
    return tuple(dict.fromkeys(told))


def _trimmed(words: Sequence[str], filler: Callable[[str], bool]) -> list[str]:
    """Without the fillers at both ends."""
    kept = [position for position, word in enumerate(words) if not filler(word)]
    return list(words[kept[0] : kept[-1] + 1]) if kept else []


def _means(word: str) -> bool:
    letters = sum(map(str.isalpha, word))
    return letters >= SHORTEST or (letters > 1 and word.isupper())
