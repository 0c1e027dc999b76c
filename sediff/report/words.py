"""What the page says to readers who know ECGs and not this project: of statements, gates and pictures."""

import re
from functools import cache
from html import unescape

from sediff.vocabulary.statements import STATEMENTS, read_statements

SUPERCLASSES = {
    "NORM": "normal ECG",
    "MI": "myocardial infarction",
    "STTC": "ST and T changes",
    "CD": "conduction disturbance",
    "HYP": "hypertrophy",
}
GATES = {
    "evaluation.heart_rate.mae_bpm": "The heart rate is close to the one asked for (mean error, bpm)",
    "evaluation.distribution.coverage": "Real ECGs of every kind have a synthetic one near (share of them)",
    "evaluation.distribution.synthetic.coverage.median": "No fewer of them than in the version that is served",
    "evaluation.agreement.auroc_synthetic": "Synthetic ECGs show the statements asked for (AUROC of the judge)",
    "evaluation.agreement.over_real.synthetic.ratio": "They do so no worse than in the version that is served",
    "evaluation.judges.seen_patients": "The judges have learnt from none of the test patients (number of these)",
    "evaluation.privacy.near_copies": "No synthetic ECG is a near copy of a training record (number of copies)",
    "evaluation.privacy.near_copies_training_conditions": "Nor is one that was asked for "
    "under a training record's own condition",
    "evaluation.privacy.planted_copies_found": "The search finds copies that were planted to test it (share of them)",
    "evaluation.privacy.membership.auc_high": "No attack tells who was trained on (AUC of the worst, upper limit)",
    "evaluation.privacy.membership.tpr": "No attack is sure of single members (true positives at 1 % false ones)",
    "evaluation.privacy.canaries.came_out": "No impossible ECG planted among the training records came out (number)",
    "evaluation.limb_leads.residual_uv": "Einthoven's and Goldberger's equations hold between limb leads (µV off)",
}
PICTURES = {
    "corpus/plots/corpus": "How many records there are by age and by heart rate, and of the most frequent statements.",
    "corpus/plots/quality": "The intervals measured in the records that are kept, and why others were set aside.",
    "simulator/plots/fits": "The median beat of a statement (grey) and the simulator's (red) over one heart cycle.",
    "simulator/plots/errors": "How far the simulator's beat is off in each lead, in percent of the lead's deviation.",
    "knowledge/plots/knowledge": "How alike each record's most similar patient is, and the heart rate that similar "
    "patients lead to expect against the measured one; on the grey line both are the same.",
    "autoencoder/plots/reconstructions": "Recordings (grey), and what the autoencoder makes of them (red): "
    "compressed and decoded again, before anything is generated.",
    "evaluation/plots/rhythm": "Left: the heart rate measured on each synthetic record against the one asked for; "
    "on the grey line both are the same. Right: how irregular the rhythm is (RMSSD over mean RR; box: the middle half "
    "of the records), real beside synthetic, in the rhythms of which there are enough records.",
    "evaluation/plots/spectra": "How much of each frequency the leads hold, the median over records: where the lines "
    "of real and synthetic records part, synthetic ones are too smooth (below) or too noisy (above).",
}
IN_A_PICTURE = re.compile(r">Real: ([^<]*)<")


@cache
def _names() -> dict[str, str]:
    return {statement.code: statement.name for statement in read_statements(STATEMENTS)}


def statement(code: str) -> str:
    """A statement's code with its name; what is no code as it is."""
    return f"{code} ({_names()[code]})" if code in _names() else code


def superclass(code: str) -> str:
    """The same of a diagnostic superclass."""
    return f"{code} ({SUPERCLASSES[code]})" if code in SUPERCLASSES else code


def gate_asks(metric: str) -> str:
    """What a gate asks for, in a sentence; the metric's key where nobody wrote one."""
    return GATES.get(metric, metric)


def caption(path: str, picture: bytes) -> str:
    """What a picture below reports/ draws: the condition that both ECGs have, or a sentence; else its name."""
    drawn = IN_A_PICTURE.search(picture.decode(errors="ignore")) if path.endswith(".svg") else None
    if drawn:
        return ", ".join(map(statement, unescape(drawn[1]).split(", ")))
    key = path.rpartition(".")[0]
    return PICTURES.get(key, key.rpartition("/")[2])
