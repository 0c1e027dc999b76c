"""The headline figures by sex, age, source, site, device and statement: a good average can hide bad parts.

A slice is marked as worse in a figure where its whole interval lies further from what a perfect generator has than
the figure of all records does.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray
from scipy.stats import wasserstein_distance
from torch.nn.functional import gelu

from sediff.bootstrap import patient_draws
from sediff.evaluation.agreement import mean_auroc, ratio_to_real
from sediff.evaluation.beside import known_interval, known_mean
from sediff.evaluation.distribution import frechet_distance, kernel_distance, neighbour_distances, reached
from sediff.evaluation.diversity import mean_distance
from sediff.evaluation.evidence import Evidence
from sediff.evaluation.halves import REAL, RECONSTRUCTED, SYNTHETIC, Floats, distances_in_halves, known
from sediff.evaluation.precision import mean_auprc
from sediff.evaluation.privacy import Nearest
from sediff.evaluation.spectra import log_spectral_distance, power
from sediff.evaluation.strata import ALL, FEW_PATIENTS, MIN_RECORDS, are_few
from sediff.evaluation.within import FEWEST, groups_of
from sediff.vocabulary import statement_labels

AGE_BANDS = {"under_40": (0, 40), "40_to_60": (40, 60), "60_to_75": (60, 75), "over_75": (75, np.inf)}
UNKNOWN = "unknown"
CONDITIONS, RECORDS = "conditions", "records"
# Readings whose mean difference from real is given: RMSSD / mean RR, shares, ms, shares of records.
DIFFERENCES = {
    "dispersion": "dispersion",
    "p_waves": "p_share",
    "beat_consistency": "consistency",
    "pr": "pr",
    "qrs_duration": "qrs_duration",
    "qtcf": "qtcf",
    "impossible": "impossible",
    "near_copies": "near_copies",
}
MOST = 250  # records of a half in KID and FD: more cost seconds a slice, and would make FD of large slices another one
SIMPLE = tuple(reading for reading in DIFFERENCES.values() if reading not in ("impossible", "near_copies"))
DISTANCES = ("dispersion", "pr", "qrs_duration", "qt")
IN_HALVES = (*(f"{name}_distance" for name in (*DISTANCES, "spectra")), "kid", "fd_distance")
OF_SYNTHETIC = (*IN_HALVES, "near_copies")  # figures that reconstructed records have not
# What each figure is of a perfect generator; a distance over the floor only falls as it gets better.
IDEAL = {
    "mae_bpm": 0.0,
    **dict.fromkeys(DIFFERENCES, 0.0),
    "coverage": 1.0,
    "density": 1.0,
    "diversity": 1.0,
    "deviation_ratio": 1.0,
    "auroc_over_real": 1.0,
    "auprc_over_real": 1.0,
    **dict.fromkeys(IN_HALVES, 0.0),
}
TOO_FEW = "too few records, or too much alike,"
Mask = NDArray[np.bool_]
Sets = Mapping[str, Floats]


@dataclass(frozen=True)
class Quantities:
    """What the figures are taken from; each of synthetic, reconstructed and real records by the set's name.

    Attributes:
        asked: heart rate, (n,) bpm; rate: as it is read.
        readings: those of `DIFFERENCES` and `DISTANCES` by name, (n,).
        spreads: standard deviations, (n, 8) mV; powers: see `spectra.power`; features: of the statement judge, (n, d).
        groups: rows of like conditions, see `within`.
        truth: of the judge's statements, (n, statements); logits: as it reads them.
        neighbours: k of coverage; min_records: fewer patients of a slice have no KID and FD.
    """

    asked: Floats
    rate: Sets
    readings: Mapping[str, Sets]
    spreads: Sets
    powers: Sets
    features: Sets
    groups: Sequence[NDArray[np.intp]]
    truth: Mask
    logits: Sets
    neighbours: int
    min_records: int

    @classmethod
    def of(cls, evidence: Evidence, copies: Mapping[str, Nearest]) -> "Quantities":
        """Those of the sets; `copies`: see `audit.nearest_training`."""
        judge, sets = evidence.judges.statement, evidence.sets
        features = {name: of.features[judge.name] for name, of in sets.items()}
        with torch.no_grad():
            logits = {name: judge.head(gelu(torch.from_numpy(x).float())).numpy() for name, x in features.items()}
        are_copies = {name: (of.correlation > evidence.params.near_copy).astype(float) for name, of in copies.items()}
        return cls(
            asked=sets[SYNTHETIC].rows["heart_rate"].cast(pl.Float64).to_numpy(),
            rate=evidence.values("heart_rate"),
            readings={
                **{name: evidence.values(name) for name in {*SIMPLE, *DISTANCES}},
                "impossible": {name: of.any(1).astype(float) for name, of in evidence.values("impossible").items()},
                "near_copies": {
                    SYNTHETIC: are_copies[SYNTHETIC][evidence.conditions.first],
                    REAL: are_copies["held_out"],
                },
            },
            spreads={name: of.leads.std(-1) for name, of in sets.items()},
            powers={name: power(sets[name].leads) for name in (SYNTHETIC, REAL)},
            features=features,
            groups=groups_of(evidence),
            truth=statement_labels(evidence.statements, judge.codes),
            logits={name: of[:, : len(judge.codes)].astype(np.float64) for name, of in logits.items()},
            neighbours=evidence.params.neighbours,
            min_records=evidence.params.min_records,
        )


def slices(evidence: Evidence, copies: Mapping[str, Nearest]) -> dict[str, Any]:
    """For each slice, and all records, what `figures` gives; `copies`: see `audit.nearest_training`."""
    masks = slices_of(evidence.sets[REAL].rows, evidence.statements, evidence.vocabulary.codes)
    quantities, draws = Quantities.of(evidence, copies), evidence.params.bootstraps
    return {"slices": compare_slices(quantities, masks, evidence.patients, draws, evidence.seed)}


def slices_of(
    rows: pl.DataFrame, statements: Sequence[Sequence[str]], codes: Sequence[str]
) -> dict[str, list[tuple[str, Mask]]]:
    """Which records, (n,), are of each sex, age band, both, source, site and device that occur, and each statement.

    Args:
        rows: of the corpus; statements: of each; codes: of all statements that there are.
    """
    sex = _named(rows["sex"].fill_null(""))
    years = rows["age"].cast(pl.Float64).to_numpy()
    bands = [(name, (years >= low) & (years < high)) for name, (low, high) in AGE_BANDS.items()]
    age = [(name, mask) for name, mask in [*bands, (UNKNOWN, ~np.isfinite(years))] if mask.any()]
    both = [(f"{one}_{other}", a & b) for one, a in sex for other, b in age]
    return {
        "sex": sex,
        "age": age,
        "sex_and_age": [(name, mask) for name, mask in both if mask.any()],
        **{kind: _named(rows[kind]) for kind in ("source", "site", "device")},
        "statement": [(code, np.array([code in row for row in statements])) for code in codes],
    }


def _named(values: pl.Series) -> list[tuple[str, Mask]]:
    """Which records have each value."""
    named = values.replace("", UNKNOWN).to_numpy()
    return [(str(value), named == value) for value in sorted(set(named))]


def compare_slices(
    quantities: Quantities,
    masks: Mapping[str, Sequence[tuple[str, Mask]]],
    patients: NDArray,
    draws: int,
    seed: int,
) -> dict[str, Any]:
    """The figures of each slice, what it is worse in than all records are, and too few records in a note.

    Args:
        masks: of each kind its slices' names and rows, (n,); patients: of each row, (n,).
    """
    whole = figures(quantities, np.ones(len(patients), bool), patients, draws, np.random.default_rng([seed, 120]))
    found: dict[str, Any] = {ALL: {CONDITIONS: whole}}
    for kind, of_kind in masks.items():
        enough = {name: mask for name, mask in of_kind if not are_few(patients[mask].tolist())}
        few = [name for name, _ in of_kind if name not in enough]
        found[kind] = {name: None for name, _ in of_kind}
        for name, mask in enough.items():
            own = figures(quantities, mask, patients, draws, np.random.default_rng([seed, 120]))
            worse = [figure for figure in IDEAL if own[figure] and is_worse(figure, own[figure], whole[figure])]
            found[kind][name] = own | {"worse": worse}
        if few:
            found[kind]["left_out"] = f"{FEW_PATIENTS} of {', '.join(few)}"
    return found


def is_worse(figure: str, own: Mapping[str, float], whole: Mapping[str, float]) -> bool:
    """Whether a slice's interval lies wholly further from the ideal than the value of all records."""
    ideal = IDEAL[figure]
    if own["low"] <= ideal <= own["high"]:
        return False
    nearest = min(abs(own["low"] - ideal), abs(own["high"] - ideal))
    return nearest > abs(whole["value"] - ideal)


def figures(
    quantities: Quantities, mask: Mask, patients: NDArray, draws: int, rng: np.random.Generator
) -> dict[str, Any]:
    """The figures of some rows, (n,), with 95 % intervals over their patients; the autoencoder's own are values alone.

    `mae_bpm`: of the heart rate against that asked; those of `DIFFERENCES`: mean difference from real; `coverage`: of
    the real records in the judge's features, by the set's records of the same slice, and its interval over real ones,
    as of `density`; `diversity`: within the groups of like conditions that lie in the slice, over real's;
    `deviation_ratio`: mean over the leads of the median deviation over real's; `auroc_over_real`, `auprc_over_real`: of
    the judge, mean over the statements that enough of the slice's records have and lack; `*_distance`: Wasserstein-1
    to real, of the spectra the log-spectral distance, over the floor, in halves of the patients; `kid` and
    `fd_distance`: of the judge's features, in such halves, from `min_records` patients on. KID is unbiased, so it may
    be compared between slices of any size, and `kid_floor` is the mean absolute KID of real records; FD over its floor
    is the nearer to 1 the fewer records there are. None is what cannot be told.
    """
    among = patients[mask]
    drawn = list(patient_draws(among, draws, rng))
    own = _figures(quantities, SYNTHETIC, mask, drawn) | _diversity(quantities, SYNTHETIC, mask, rng, draws)
    alone = _figures(quantities, RECONSTRUCTED, mask, ()) | _diversity(quantities, RECONSTRUCTED, mask, rng, 0)
    told = {figure: {"value": value, **ends} for figure, (value, of) in own.items() if (ends := _ends(of))}
    found = {
        **dict.fromkeys((*IDEAL, "kid_floor")),
        **told,
        **_distances(quantities, mask, among, draws, rng),
        **_spectra(quantities, mask, among, draws, rng),
        **_in_features(quantities, mask, among, draws, rng),
    }
    of_copies = {
        figure: alone[figure][0] if figure in alone else None for figure in IDEAL if figure not in OF_SYNTHETIC
    }
    lacking = [figure for figure in found if found[figure] is None or of_copies.get(figure, found) is None]
    note = {"left_out": f"{TOO_FEW} for {', '.join(lacking)}"} if lacking else {}
    return {RECORDS: int(mask.sum()), **found, RECONSTRUCTED: of_copies, **note}


def _figures(
    quantities: Quantities, name: str, mask: Mask, drawn: Sequence[NDArray[np.intp]]
) -> dict[str, tuple[float, list[float]]]:
    """Value of each figure of a set, and its values over the draws of the slice's rows."""
    by_record = _by_record(quantities, name, mask)
    spreads, real_spreads = (quantities.spreads[of][mask] for of in (name, REAL))
    found = {
        figure: (known_mean(values), [known_mean(values[rows]) for rows in drawn])
        for figure, values in by_record.items()
        if np.isfinite(values).sum() >= MIN_RECORDS
    }
    found["deviation_ratio"] = (
        _over_real(spreads, real_spreads),
        [_over_real(spreads[rows], real_spreads[rows]) for rows in drawn],
    )
    truth, logits, real_logits = quantities.truth[mask], quantities.logits[name][mask], quantities.logits[REAL][mask]
    cases = truth.sum(0)
    enough = (cases >= MIN_RECORDS) & (cases <= len(truth) - MIN_RECORDS)
    if enough.any():
        for figure, mean in (("auroc_over_real", mean_auroc), ("auprc_over_real", mean_auprc)):
            found[figure] = ratio_to_real(mean, truth[:, enough], logits[:, enough], real_logits[:, enough], drawn)
    return found


def _diversity(
    quantities: Quantities, name: str, mask: Mask, rng: np.random.Generator, draws: int
) -> dict[str, tuple[float, list[float]]]:
    """Mean distance within the groups of which all records are of the slice, over real's; nothing of few groups."""
    groups = [rows for rows in quantities.groups if mask[rows].all()]
    if len(groups) < FEWEST:
        return {}
    own, real = (np.array([mean_distance(quantities.features[of][rows]) for rows in groups]) for of in (name, REAL))
    drawn = (rng.integers(0, len(groups), len(groups)) for _ in range(draws))
    return {"diversity": (float(own.mean() / real.mean()), [float(own[d].mean() / real[d].mean()) for d in drawn])}


def _by_record(quantities: Quantities, name: str, mask: Mask) -> dict[str, Floats]:
    """What is a mean over the slice's records: of each record, NaN where it is not known."""
    features, real = (quantities.features[of][mask] for of in (name, REAL))
    values = {"mae_bpm": np.abs(quantities.rate[name] - quantities.asked)[mask]}
    for figure, reading in DIFFERENCES.items():
        of_sets = quantities.readings[reading]
        if name in of_sets:
            values[figure] = (of_sets[name] - of_sets[REAL])[mask]
    if len(real) > quantities.neighbours:
        counts = reached(real, neighbour_distances(real, quantities.neighbours), features)
        values["coverage"] = (counts > 0).astype(np.float64)
        values["density"] = counts / quantities.neighbours
    return values


def _distances(
    quantities: Quantities, mask: Mask, patients: NDArray, draws: int, rng: np.random.Generator
) -> dict[str, dict[str, float]]:
    """Wasserstein-1 of synthetic to real records over the mean of the floor, in halves of the patients."""
    found = {}
    for name in DISTANCES:
        sets = {of_set: quantities.readings[name][of_set][mask] for of_set in (SYNTHETIC, REAL)}
        rows = known(sets)
        if are_few(patients[rows].tolist()):
            continue
        of_rows = {of_set: of[rows] for of_set, of in sets.items()}
        drawn = distances_in_halves(of_rows, patients[rows].tolist(), wasserstein_distance, draws, rng)
        floor = float(np.mean(drawn[REAL]))
        if floor > 0:
            ratios = np.array(drawn[SYNTHETIC]) / floor
            found[f"{name}_distance"] = {"value": float(ratios.mean()), **_ends(ratios.tolist())}
    return found


def _spectra(
    quantities: Quantities, mask: Mask, patients: NDArray, draws: int, rng: np.random.Generator
) -> dict[str, dict[str, float]]:
    """Log-spectral distance of synthetic to real records over the mean of the floor, in halves of the patients."""
    if are_few(patients.tolist()):
        return {}
    powers = {of_set: of[mask] for of_set, of in quantities.powers.items()}
    drawn = distances_in_halves(powers, patients.tolist(), log_spectral_distance, draws, rng)
    ratios = np.array(drawn[SYNTHETIC]) / np.mean(drawn[REAL])
    return {"spectra_distance": {"value": float(ratios.mean()), **_ends(ratios.tolist())}}


def _in_features(
    quantities: Quantities, mask: Mask, patients: NDArray, draws: int, rng: np.random.Generator
) -> dict[str, Any]:
    """KID of synthetic and real records, and FD over the mean of its floor, in halves of the patients."""
    if len(set(patients.tolist())) < quantities.min_records:
        return {}
    features = {of_set: quantities.features[of_set][mask] for of_set in (SYNTHETIC, REAL)}
    drawn = distances_in_halves(features, patients.tolist(), _kid_and_fd, draws, rng)
    kid, fd = np.transpose(drawn[SYNTHETIC])
    real_kid, real_fd = np.transpose(drawn[REAL])
    ratios, spread = fd / real_fd.mean(), spread_of_cut(len(set(patients.tolist())))
    return {
        "kid": _drawn_in(kid, spread),
        "kid_floor": float(np.abs(real_kid).mean()),
        "fd_distance": _drawn_in(ratios, spread),
    }


def spread_of_cut(patients: int) -> float:
    """Deviation of a mean over so many patients over the spread, around it, of draws that are cut to `MOST` records.

    Half of N, drawn without replacement, spread around their mean just as that does around the truth: by σ² / s (1 -
    s / N), which at s = N / 2 is σ² / N. Fewer spread more, by N / s - 1 (Cochran 1977, eq. 2.12).
    """
    return float(np.sqrt(MOST / (patients - MOST))) if patients > 2 * MOST else 1.0


def _drawn_in(values: Floats, spread: float) -> dict[str, float]:
    """Mean of draws, and its interval from theirs, whose distance from the mean is multiplied by `spread`."""
    mean = float(values.mean())
    return {"value": mean, **_ends((mean + spread * (values - mean)).tolist())}


def _kid_and_fd(a: Floats, b: Floats) -> Floats:
    """Of the first `MOST` of both, which are in random order."""
    a, b = a[:MOST], b[:MOST]
    return np.array([kernel_distance(a, b), frechet_distance(a, b)])


def _over_real(spreads: Floats, real: Floats) -> float:
    return float(np.mean(np.median(spreads, axis=0) / np.median(real, axis=0)))


def _ends(values: Sequence[float]) -> dict[str, float]:
    """The interval without its median, of what could be told in a draw; {} where it never could."""
    return {end: bound for end, bound in known_interval(values).items() if end != "median"}
