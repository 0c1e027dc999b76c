from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pytest

from sediff.files import write_json
from sediff.report.build import build_report
from sediff.report.params import GatesParams


@pytest.fixture(scope="package")
def page(tmp_path_factory) -> Path:
    """All kinds of section, more pictures than a run draws (in bytes too), and a gate that fails."""
    root = tmp_path_factory.mktemp("page")
    reports, page = root / "reports", root / "index.html"
    write_json(reports / "corpus/metrics.json", {"records": 2000, "sources": {"mine": 2000}})
    distance = {"records": 900, **{name: {"median": 1.0} for name in ("synthetic", "reconstructed", "real")}}
    distance["over_floor"] = {"synthetic": 1.2, "reconstructed": 1.1}
    left_out = {f"p_waves.{number}": "fewer than 20 records" for number in range(60)}
    write_json(reports / "evaluation/metrics.json", {"dispersion": {"all": distance}, "left_out": left_out, "mae": 2.5})
    write_json(reports / "synthesis/dataset/metrics.json", {"records": 16, "statements": {"AFIB": 16}})
    curve = {"x": [1.0, 2.0, 3.0], "y": [3.0, 1.0, 0.1]}
    write_json(reports / "diffusion/curves.json", {"denoiser": {"loss": curve}})
    write_json(reports / "diffusion/metrics.json", {"steps": 3})
    manifest = {"fingerprint": "f" * 64, "inputs": {"data/corpus": "a" * 64}}
    request = {"synthesis.dataset": [{"text": "atrial fibrillation", "records": 16}]}
    write_json(
        root / "data/synthesis/dataset/manifest.json", {"stage": "synthesis@dataset", "parameters": request, **manifest}
    )
    (reports / "evaluation/plots").mkdir()
    figure, axes = plt.subplots()
    axes.plot(np.random.default_rng(0).normal(size=1000))
    for number in range(8):
        figure.savefig(reports / f"evaluation/plots/pair-{number:02}.svg")
    axes.imshow(np.random.default_rng(1).random((300, 300)))
    for number in range(8):
        figure.savefig(reports / f"evaluation/plots/rhythm-{number}.png")
    plt.close(figure)
    gates = GatesParams.model_validate({"corpus.records": {"min": 1}, "evaluation.mae": {"max": 2}})
    build_report(reports, root / "data", gates, page, root / "verdict", simulated=True)
    return page
