"""How alike the sets of records are: FD, KID and coverage in the judges' features, and deviation by lead."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sediff.bootstrap import interval
from sediff.ecg import limb_lead_residual
from sediff.errors import UserError
from sediff.evaluation.controls import controls
from sediff.evaluation.distribution import coverage_density, deviation_ratios, distances, frechet_distance
from sediff.evaluation.evidence import Evidence
from sediff.evaluation.halves import REAL, RECONSTRUCTED, SYNTHETIC, patient_halves


def likeness(evidence: Evidence) -> dict[str, Any]:
    """FD, KID and coverage in the features of judges (a) and (b), beside the floor and controls that must look bad."""
    params, real = evidence.params, evidence.sets[REAL]
    if evidence.held_out is None:
        note = f"fewer than evaluation.min_records = {params.min_records} real records"
        return {"distribution": {"left_out": note}}
    if params.neighbours >= len(real.rows):
        raise UserError(
            f"evaluation.neighbours = {params.neighbours} needs more than the {len(real.rows)} real records "
            "that there are: lower it."
        )
    made_up = controls(real.leads, evidence.rng(2))
    held_out_patients = evidence.held_out.rows["patient_id"].to_list()
    result = {}
    for section, judge in (
        ("distribution", evidence.judges.statement),
        ("distribution_waveform", evidence.judges.waveform),
    ):
        name = judge.name
        sets = {of_set: evidence.sets[of_set].features[name] for of_set in (SYNTHETIC, RECONSTRUCTED)}
        sets |= {control: judge.features(signals) for control, signals in made_up.items()}
        of_held_out, owners = evidence.held_out.features[name], evidence.patients.tolist()
        values = distances(
            of_held_out, held_out_patients, sets, owners, params.neighbours, params.bootstraps, evidence.rng(3)
        )
        coverage, density = coverage_density(real.features[name], sets[SYNTHETIC], params.neighbours)
        values |= {"coverage": coverage, "density": density}
        for control in ("noise", "shuffled_leads"):
            values[f"coverage_{control}"], _ = coverage_density(real.features[name], sets[control], params.neighbours)
        result[section] = values
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
    """Standard deviation by lead over real, its lowest and highest over the leads, and the limb-lead residual.

    The floor is that of random halves of the real patients over each other.
    """
    real = evidence.sets[REAL].leads
    ratios = {name: deviation_ratios(evidence.sets[name].leads, real) for name in (SYNTHETIC, RECONSTRUCTED)}
    first, second = patient_halves(evidence.patients.tolist(), evidence.rng(8))
    ratios["real_halves"] = deviation_ratios(real[first], real[second]) if len(first) else {}
    extremes = {name: {"lowest": min(of.values()), "highest": max(of.values())} for name, of in ratios.items() if of}
    return {
        "limb_leads": {"residual_uv": float(np.abs(limb_lead_residual(evidence.made.signals)).max())},
        "deviation_ratio": deviation_ratios(evidence.made.leads, real),
        "deviation": extremes,
    }
