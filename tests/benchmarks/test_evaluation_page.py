"""The page of a run's whole evaluation: every section, and the figures of the run that it is given."""

from pathlib import Path

import pytest
import yaml

from benchmarks.evaluation import page
from sediff.files import write_json
from sediff.params import Params
from sediff.report.markdown import tables_of

PARAMS = Path(__file__).parents[2] / "params.yaml"
ROW = {"train": 140, "validation": 20, "test": 40, "audit": 16}


def interval(value: float) -> dict:
    return {"value": value, "low": value - 0.05, "high": value + 0.05}


def mean(records: int, real: float = 0.5) -> dict:
    sets = {"synthetic": 0.4, "reconstructed": 0.5, "real": real}
    difference = {"mean": 0.4 - real, "low": -0.2, "high": 0.1}
    return {"records": records, **sets, "difference": {"synthetic": difference}, "real_halves": 0.03}


def metrics(auc: float) -> dict:
    arm = {"macro_auroc": 0.85, "low": 0.8, "high": 0.9, "auroc": {"NORM": 0.88, "MI": 0.82}}
    sizes = {"real_records": 100, "synthetic_records": 90, "classes": ["NORM", "MI"]}
    attack = {"auc": interval(auc), "tpr": interval(0.1)}
    return {
        "corpus": {"records": 216, "sources": {"mine": 216}, "splits": ROW},
        "evaluation": {
            "records": 40,
            "beat_consistency": {"sinus": mean(33)},
            "signs": {"LVH_sokolow_lyon": mean(25, 0.48)},
            "slices": {"sex": {"female": {"records": 21, "coverage": interval(0.7)}}},
            "privacy": {"members": 60, "strangers": 50, "attacks": {"loss": attack}},
            "left_out": ["p_waves.sinus: fewer than 20 records", "logits: fewer than 20 patients with WPW"],
        },
        "augmentation": {**sizes, "real": arm, "synthetic": arm},
    }


@pytest.fixture
def clone(tmp_path) -> Path:
    """What a run leaves: reports, manifests with the project's own parameters, attempts and params.yaml."""
    parameters = yaml.safe_load(PARAMS.read_text())
    sections = {stage: {stage: parameters[stage]} for stage in ("corpus", "autoencoder", "diffusion", "evaluation")}
    sections["diffusion"]["reproducibility"] = {"seed": 7}
    for stage, found in sections.items():
        manifest = {"stage": stage, "fingerprint": stage[0] * 64, "inputs": {}, "parameters": found}
        write_json(tmp_path / f"data/{stage}/manifest.json", manifest)
    for number, (seconds, commit) in enumerate([(900.0, "b" * 40), (63.0, "c" * 40 + "-dirty")]):
        attempt = {
            "started": f"2026-01-0{number + 1}",
            "seconds": seconds,
            "commit": commit,
            "device": {"threads": "2"},
        }
        write_json(tmp_path / f"runs/diffusion/{'d' * 64}/000{number}.json", attempt)
    (tmp_path / "params.yaml").write_text(PARAMS.read_text())
    report(tmp_path, 0.52)
    return tmp_path


def report(clone: Path, auc: float) -> None:
    for stage, found in metrics(auc).items():
        write_json(clone / f"reports/{stage}/metrics.json", found)


def text(clone: Path) -> str:
    return "\n\n".join(page(clone))


def rows(clone: Path) -> dict:
    return {table.title: table.rows for table in tables_of(text(clone))}


def test_every_section_is_there_with_the_runs_figures(clone):
    found = rows(clone)
    assert found["Records"] == (("140", "20", "40", "16"),)
    assert ("diffusion.morphology", "600", "256", "0.003") in found["Training"]
    assert ("diffusion", "63", "threads 2", "ccccccc-dirty", "d" * 16) in found["Stages"], "the last attempt"
    assert [row[0] for row in found["Means"]] == ["beat consistency, sinus"]
    assert found["Signs"][0][-7:] == ("25", "0.4", "0.5", "–", "0.48", "-0.08 (-0.2 to 0.1)", "0.03")
    assert found["Slices"][0][:2] == ("sex, female", "21")
    assert found["Privacy"][0][3] == "0.52 (0.47 to 0.57)"
    assert found["Arms"][1][:4] == ("synthetic", "–", "90", "0.85 (0.8 to 0.9)")
    assert len(found["Gates"]) == len([gate for gate in Params.load(PARAMS).gates.root.values() if gate.is_absolute])
    assert "- fewer than 20 records: `evaluation.p_waves.sinus`" in text(clone)
    assert "- fewer than 20 patients with WPW: `evaluation.logits`" in text(clone)
    assert "- Seed: 7" in text(clone)


def test_a_changed_figure_changes_the_page_there_alone(clone):
    before = text(clone)
    report(clone, 0.71)
    after = text(clone)
    assert after == before.replace("0.52 (0.47 to 0.57)", "0.71 (0.66 to 0.76)") != before


def test_the_nearest_profile_is_named_with_what_differs(clone):
    path = clone / "data/diffusion/manifest.json"
    assert "Profile: `laptop`\n" in text(clone)
    path.write_text(path.read_text().replace('"steps": 2000', '"steps": 2500'))
    assert "Profile: `laptop` but for diffusion.steps 2500 instead of 2000\n" in text(clone)


def test_a_restricted_corpus_gives_the_public_form(clone):
    write_json(
        clone / "reports/corpus/metrics.json", {"records": 207, "splits": {"train": 160, "test": 40, "audit": 7}}
    )
    assert rows(clone)["Records"] == (("160", "40", "7"),)
    path = clone / "data/corpus/manifest.json"
    path.write_text(path.read_text().replace('"open"', '"restricted"'))
    (records,) = rows(clone)["Records"]
    assert records[2] == "fewer than 10" and "40" not in records


def test_an_unfinished_run_has_what_there_is(tmp_path):
    (tmp_path / "params.yaml").write_text(PARAMS.read_text())
    found = text(tmp_path)
    assert "not measured" in found and "Nothing." in found
