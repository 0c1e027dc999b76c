"""The corpora that models are trained on: their licences, and whom to name."""

from dataclasses import dataclass

from sediff.sources import VIRTUAL, SourceParams


@dataclass(frozen=True)
class Origin:
    """A training corpus: what it is, under which licence, and whom to cite; "" where that is not known."""

    title: str
    licence: str
    url: str = ""
    citation: str = ""


BY_READER = {
    "ptb-xl": Origin(
        "PTB-XL",
        "CC BY 4.0",
        "https://creativecommons.org/licenses/by/4.0/",
        "Wagner P, Strodthoff N, Bousseljot RD, et al. PTB-XL, a large publicly available electrocardiography dataset. "
        "Scientific Data 7, 154 (2020)",
    ),
    "ludb": Origin(
        "LUDB",
        "ODC-By 1.0",
        "https://opendatacommons.org/licenses/by/1-0/",
        "Kalyakulina AI, Yusipov II, Moskalenko VA, et al. LUDB: a new open-access validation tool for "
        "electrocardiogram delineation algorithms. IEEE Access 8 (2020)",
    ),
    "mimic-iv-ecg": Origin(
        "MIMIC-IV-ECG",
        "ODbL 1.0",
        "https://opendatacommons.org/licenses/odbl/1-0/",
        "Gow B, Pollard T, Nathanson LA, et al. MIMIC-IV-ECG: Diagnostic Electrocardiogram Matched Subset. "
        "PhysioNet (2023)",
    ),
}
BY_READER["ptb-xl-500"] = BY_READER["ptb-xl"]
SIMULATED = Origin(
    "sediff's virtual cohort, which is simulated and holds no patient",
    "Apache-2.0, as the project",
    "https://www.apache.org/licenses/LICENSE-2.0",
)


def origin_of(source: SourceParams) -> Origin:
    """What is known of a source; of one that is restricted, or of no known corpus, no licence is given."""
    if source.sharing == "restricted":
        return Origin(source.name, "none given: it is restricted, and whoever holds it decides what may leave")
    if source.name == VIRTUAL:
        return SIMULATED
    return BY_READER.get(source.reader, Origin(source.name, "not known to sediff: ask whoever gave it"))
