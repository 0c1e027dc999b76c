"""Whether the judges, trained on real records only, read in synthetic ones what was asked, as they do in real ones."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sediff.bootstrap import interval, patient_draws
from sediff.encoder.judge import in_batches
from sediff.encoder.scores import MIN_CASES
from sediff.evaluation.agreement import mean_auroc, ratio_to_real, scores
from sediff.evaluation.beside import beside
from sediff.evaluation.evidence import Evidence
from sediff.evaluation.halves import REAL, RECONSTRUCTED, SIMULATOR, SYNTHETIC, Floats
from sediff.evaluation.precision import mean_auprc
from sediff.evaluation.rare import Judged, rare_statements
from sediff.evaluation.sureness import logit_distances
from sediff.evaluation.text_retrieval import places_of, retrieval, wordings
from sediff.vocabulary import statement_labels

SHUFFLED = "shuffled"
NO_STATEMENT = f"no statement has {MIN_CASES} records with and without it"


@dataclass(frozen=True)
class Read:
    """What a judge makes of the signals: of all synthetic records, of each set, and of the simulator's alone."""

    made: Floats
    sets: dict[str, Floats]

    @classmethod
    def of(cls, evidence: Evidence, judge: Callable[[NDArray[np.float32]], Floats]) -> "Read":
        """Each signal is read once."""
        made = judge(evidence.made.leads)
        others = {name: judge(evidence.sets[name].leads) for name in (RECONSTRUCTED, REAL)}
        others[SIMULATOR] = judge(evidence.simulated.leads)
        return cls(made, {SYNTHETIC: made[evidence.conditions.first], **others})


def meaning(evidence: Evidence) -> dict[str, Any]:
    """What the statement judge reads and how surely, and how well texts and ECGs find each other by the text judge."""
    judge, text = evidence.judges.statement, evidence.judges.text
    logits = Read.of(evidence, lambda leads: in_batches(judge, leads)[:, : len(judge.codes)])
    asked = places_of(text, evidence.made.rows["text"].to_list(), evidence.vocabulary)
    ecgs = Read.of(evidence, text.ecgs)
    truth = statement_labels(evidence.statements, judge.codes)
    sizes = MIN_CASES, evidence.params.bootstraps
    return {
        "agreement": _agreement(evidence, logits),
        "logits": logit_distances(truth, logits.sets, judge.codes, evidence.patients, *sizes, evidence.rng(41)),
        "clip": _clip(evidence, asked, ecgs),
        **_retrieval(evidence, asked[evidence.conditions.first], ecgs.sets),
    }


def _agreement(evidence: Evidence, logits: Read) -> dict[str, Any]:
    """The judge on synthetic records, and on reconstructed, real and simulated ones of the conditions; on shuffled."""
    codes, statements = evidence.judges.statement.codes, evidence.made.rows["statements"].to_list()
    truth = statement_labels(statements, codes)
    of_conditions = truth[evidence.conditions.first]
    patients, draws = evidence.patients, evidence.params.bootstraps
    of_made = patients[evidence.conditions.partner]
    judged = {
        SYNTHETIC: Judged(truth, logits.made, of_made),
        RECONSTRUCTED: Judged(of_conditions, logits.sets[RECONSTRUCTED], patients),
        REAL: Judged(of_conditions, logits.sets[REAL], patients),
        SIMULATOR: Judged(of_conditions, logits.sets[SIMULATOR], patients),
        SHUFFLED: Judged(truth[evidence.rng(1).permutation(len(truth))], logits.made, of_made),
    }
    drawn = patient_draws(patients, draws, evidence.rng(40))
    return {
        **_by_statement(judged, codes, draws, evidence.rng(45)),
        "rare": rare_statements(judged, codes, MIN_CASES, draws, evidence.rng(42)),
        "not_learned": dict(sorted(Counter(code for row in statements for code in row if code not in codes).items())),
        **auroc_over_real(of_conditions, logits.sets, drawn),
    }


def _by_statement(
    judged: Mapping[str, Judged], codes: Sequence[str], draws: int, rng: np.random.Generator
) -> dict[str, Any]:
    """AUROC and AUPRC of each statement with `MIN_CASES` on both sides, real's beside, and their means for each set.

    The means have intervals over patients. What has too few is None, and a note says so.
    """
    found = {name: scores(of_set.truth, of_set.logits, codes, MIN_CASES) for name, of_set in judged.items()}
    result, left_out = dict[str, Any](), dict[str, str]()
    for name, of in found.items():
        if of:
            drawn = patient_draws(judged[name].patients, draws, rng)
            columns = [codes.index(code) for code in of["statements"]]
            result |= _means_beside(name, of, judged[name], columns, drawn)
        else:
            of_scores = [f"{score}_{name}{ending}" for score in ("auroc", "auprc") for ending in ("", "_interval")]
            left_out |= dict.fromkeys(of_scores, NO_STATEMENT)
    own, real = (found[name].get("statements", {}) for name in (SYNTHETIC, REAL))
    result["statements"] = {
        code: own[code] | {f"{score}_real": real.get(code, {}).get(score) for score in ("auroc", "auprc")}
        if code in own
        else None
        for code in codes
    }
    if few := [code for code in codes if code not in own or code not in real]:
        left_out["statements"] = f"fewer than {MIN_CASES} records or real ones with, or without, {', '.join(few)}"
    return result | ({"left_out": left_out} if left_out else {})


def _means_beside(
    name: str, found: Mapping[str, Any], judged: Judged, columns: Sequence[int], drawn: Iterable[NDArray[np.intp]]
) -> dict[str, Any]:
    """Mean AUROC and AUPRC over some statements with intervals over the draws that can tell them."""
    truth, logits = judged.truth[:, columns], judged.logits[:, columns]
    rows = [of for of in drawn if truth[of].any()]
    by_score = {"auroc": [mean_auroc(truth[of], logits[of]) for of in rows]}
    by_score["auprc"] = [mean_auprc(truth[of], logits[of]) for of in rows]
    result: dict[str, Any] = {}
    for score, values in by_score.items():
        result |= beside(f"{score}_{name}", found[score], [value for value in values if np.isfinite(value)])
    return result


def auroc_over_real(
    truth: NDArray[np.bool_], logits: Mapping[str, NDArray[np.float64]], drawn: Iterable[NDArray[np.intp]]
) -> dict[str, Any]:
    """Mean AUROC of the judge on each set over that on the real records of the same conditions.

    Statements with `MIN_CASES` on both sides count, in all sets the same; a note where none has.

    Args:
        truth: (n, statements); logits: of each set, the same shape; drawn: bootstrap draws of rows.
    """
    cases = truth.sum(0)
    columns = np.flatnonzero((cases >= MIN_CASES) & (cases <= len(truth) - MIN_CASES))
    if not len(columns):
        return {"over_real": {"left_out": NO_STATEMENT}}
    truth, rows = truth[:, columns], list(drawn)
    scored = {name: of_set[:, columns] for name, of_set in logits.items()}
    ratios = {
        name: ratio_to_real(mean_auroc, truth, of, scored[REAL], rows) for name, of in scored.items() if name != REAL
    }
    return {
        "over_real": {
            name: {"ratio": ratio, **interval(of)} if of else {"left_out": NO_STATEMENT}
            for name, (ratio, of) in ratios.items()
        }
    }


def _retrieval(evidence: Evidence, asked: Floats, ecgs: Mapping[str, Floats]) -> dict[str, Any]:
    """Texts that look for their ECGs, in each set, and in each wording among the real ones."""
    few, rows = evidence.params.min_records, evidence.sets[REAL].rows
    if len(rows) < few:
        note = f"fewer than evaluation.min_records = {few} real records"
        return {"retrieval": {"left_out": note}, "wordings": {"left_out": note}}
    texts = evidence.sets[SYNTHETIC].rows["text"].to_list()
    text, vocabulary = evidence.judges.text, evidence.vocabulary
    return {
        "retrieval": retrieval(texts, asked, ecgs, evidence.statements, evidence.patients),
        "wordings": wordings(text, rows, ecgs[REAL], vocabulary, few),
    }


def _clip(evidence: Evidence, texts: Floats, ecgs: Read) -> dict[str, Any]:
    """The CLIP score of judge (c): mean cosine of text and ECG, of synthetic, real and wrongly paired records."""
    conditions = evidence.conditions
    of_made, of_conditions = evidence.patients[conditions.partner], texts[conditions.first]
    result: dict[str, Any] = {"records": len(texts), "real_records": len(evidence.patients)}
    for name, asked, found, patients in (
        (SYNTHETIC, texts, ecgs.made, of_made),
        (RECONSTRUCTED, of_conditions, ecgs.sets[RECONSTRUCTED], evidence.patients),
        (REAL, of_conditions, ecgs.sets[REAL], evidence.patients),
        (SIMULATOR, of_conditions, ecgs.sets[SIMULATOR], evidence.patients),
        (SHUFFLED, texts, ecgs.made[evidence.rng(4).permutation(len(ecgs.made))], of_made),
    ):
        cosine = (asked * found).sum(1)
        drawn = patient_draws(patients, evidence.params.bootstraps, evidence.rng(43))
        result[name] = {"mean": float(cosine.mean()), **interval([float(cosine[rows].mean()) for rows in drawn])}
    return {**result, "over_real": _clip_over_real(evidence, of_conditions, ecgs.sets)}


def _clip_over_real(evidence: Evidence, texts: Floats, ecgs: Mapping[str, Floats]) -> dict[str, Any]:
    """Mean cosine of text and ECG of each set over that of the real records, each condition once."""
    cosines = {name: (texts * of_set).sum(1) for name, of_set in ecgs.items()}
    real, drawn = (
        cosines.pop(REAL),
        list(patient_draws(evidence.patients, evidence.params.bootstraps, evidence.rng(44))),
    )
    return {
        name: {
            "ratio": float(of.mean() / real.mean()),
            **interval([float(of[rows].mean() / real[rows].mean()) for rows in drawn]),
        }
        for name, of in cosines.items()
    }
