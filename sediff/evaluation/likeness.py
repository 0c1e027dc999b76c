"""How alike the sets of records are: FD, KID, coverage and density in the judges' features, and deviation by lead."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sediff.bootstrap import interval, patient_draws
from sediff.ecg import INDEPENDENT_LEADS, limb_lead_residual
from sediff.errors import UserError
from sediff.evaluation.beside import beside
from sediff.evaluation.controls import controls
from sediff.evaluation.distribution import coverage_beside, deviation_ratios, distances, frechet_distance
from sediff.evaluation.evidence import Evidence
from sediff.evaluation.halves import REAL, RECONSTRUCTED, SIMULATOR, SYNTHETIC, patient_halves
from sediff.evaluation.strata import FEW, MIN_RECORDS, all_and_each_stratum

NO_HALVES = "halves of the held-out patients have no more records than evaluation.neighbours"


def likeness(evidence: Evidence) -> dict[str, Any]:
    """FD, KID, coverage and density in the features of judges (a) and (b), beside the floor and what must look bad."""
    params, real = evidence.params, evidence.sets[REAL]
    if evidence.held_out is None:
        note = f"fewer than evaluation.min_records = {params.min_records} real records"
        return {section: {"left_out": note} for section in ("distribution", "distribution_waveform", "reconstruction")}
    if params.neighbours >= len(real.rows):
        raise UserError(
            f"evaluation.neighbours = {params.neighbours} needs more than the {len(real.rows)} real records "
            "that there are: lower it."
        )
    made_up = controls(real.leads, evidence.rng(2))
    held_out_patients = evidence.held_out.rows["patient_id"].to_list()
    result: dict[str, Any] = {}
    for section, judge in (
        ("distribution", evidence.judges.statement),
        ("distribution_waveform", evidence.judges.waveform),
    ):
        name = judge.name
        sets = {of_set: evidence.sets[of_set].features[name] for of_set in (SYNTHETIC, RECONSTRUCTED)}
        sets[SIMULATOR] = evidence.simulated.features[name]
        sets |= {control: judge.features(signals) for control, signals in made_up.items()}
        of_held_out, owners = evidence.held_out.features[name], evidence.patients.tolist()
        values = distances(
            of_held_out, held_out_patients, sets, owners, params.neighbours, params.bootstraps, evidence.rng(3)
        )
        if not values:
            result[section] = {"left_out": NO_HALVES}
            continue
        drawn = list(patient_draws(evidence.patients, params.bootstraps, evidence.rng(152)))
        for of_set, ending in ((SYNTHETIC, ""), ("noise", "_noise"), ("shuffled_leads", "_shuffled_leads")):
            values |= coverage_beside(real.features[name], sets[of_set], params.neighbours, drawn, ending)
        result[section] = values
    result["reconstruction"] = {"left_out": NO_HALVES}
    if (records := result["distribution"].get("records_compared")) and evidence.held_out_copies is not None:
        own = evidence.held_out.features[evidence.judges.statement.name]
        copies, rng = evidence.held_out_copies, evidence.rng(6)
        result["reconstruction"] = reconstruction_distance(copies, own, records, params.bootstraps, rng)
    return result


def reconstruction_distance(
    copies: NDArray[np.float64], originals: NDArray[np.float64], records: int, draws: int, rng: np.random.Generator
) -> dict[str, Any]:
    """FD between reconstructions and their own originals, features (n, d): the autoencoder's share of any FD.

    Args:
        records: that are compared in each draw, as many as in the FD that it is set beside.
    """
    drawn = [rng.choice(len(originals), records, replace=False) for _ in range(draws)]
    fd = interval([frechet_distance(copies[rows], originals[rows]) for rows in drawn])
    return {"records_compared": records, "fd": fd}


def deviation(evidence: Evidence) -> dict[str, Any]:
    """Standard deviation by lead over real, its extremes over the leads, by stratum, and the limb-lead residual.

    The floor is that of random halves of the real patients over each other.
    """
    real = evidence.sets[REAL].leads
    ratios = {name: deviation_ratios(evidence.sets[name].leads, real) for name in (SYNTHETIC, RECONSTRUCTED)}
    ratios[SIMULATOR] = deviation_ratios(evidence.simulated.leads, real)
    first, second = patient_halves(evidence.patients.tolist(), evidence.rng(8))
    ratios["real_halves"] = deviation_ratios(real[first], real[second]) if len(first) else {}
    extremes = {name: {"lowest": min(of.values()), "highest": max(of.values())} for name, of in ratios.items() if of}
    return {
        "limb_leads": _limb_leads(evidence),
        "deviation_ratio": deviation_ratios(evidence.made.leads, real),
        "deviation": extremes,
        "deviation_by_stratum": _by_stratum(evidence),
    }


def _limb_leads(evidence: Evidence) -> dict[str, Any]:
    """Departure from the limb-lead identities in µV: the largest, and the mean over records of each's largest."""
    largest = np.array([np.abs(limb_lead_residual(record)).max() for record in evidence.made.signals])
    owners = evidence.patients[evidence.conditions.partner]
    drawn = patient_draws(owners, evidence.params.bootstraps, evidence.rng(153))
    means = [float(largest[rows].mean()) for rows in drawn]
    return {"residual_uv": float(largest.max()), **beside("mean_uv", float(largest.mean()), means)}


def _by_stratum(evidence: Evidence) -> dict[str, Any]:
    """The same by lead, of all records and within each stratum that has enough, with intervals over patients."""
    sets = {**evidence.sets, SIMULATOR: evidence.simulated}
    spreads = {name: of.leads.std(-1).astype(np.float64) for name, of in sets.items()}
    found: dict[str, Any] = {}
    for stratum, among in all_and_each_stratum(evidence.strata):
        if among.sum() < MIN_RECORDS:
            found[stratum] = {"left_out": FEW}
            continue
        of_stratum = {name: of[among] for name, of in spreads.items()}
        draws = patient_draws(evidence.patients[among], evidence.params.bootstraps, evidence.rng(9))
        found[stratum] = {"records": int(among.sum()), **lead_deviations(of_stratum, draws)}
    return found


def lead_deviations(
    spreads: Mapping[str, NDArray[np.float64]], draws: Iterable[NDArray[np.intp]]
) -> dict[str, dict[str, Any]]:
    """Median over records of the standard deviation in each lead: of real in mV, of the other sets over real.

    Args:
        spreads: of each set the records' deviations, (n, 8) in mV, rows aligned.
        draws: of the rows, which give each ratio's interval.
    """
    made = [name for name in spreads if name != REAL]
    drawn: dict[str, list[NDArray[np.float64]]] = {name: [] for name in made}
    for rows in draws:
        real = np.median(spreads[REAL][rows], axis=0)
        for name in made:
            drawn[name].append(np.median(spreads[name][rows], axis=0) / real)
    of_real = np.median(spreads[REAL], axis=0)
    found: dict[str, dict[str, Any]] = {REAL: dict(zip(INDEPENDENT_LEADS, of_real.tolist(), strict=True))}
    for name in made:
        whole = np.median(spreads[name], axis=0) / of_real
        by_lead = zip(INDEPENDENT_LEADS, whole.tolist(), np.transpose(drawn[name]).tolist(), strict=True)
        found[name] = {lead: {"ratio": ratio, **interval(of_lead)} for lead, ratio, of_lead in by_lead}
    return found
