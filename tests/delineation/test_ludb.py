"""Real recordings with cardiologists' marks: the delineation stays as good as it was measured to be."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from benchmarks.delineation import Score, compare, read
from sediff.beats import find_r_peaks
from sediff.delineation import delineate

LUDB = Path(__file__).parents[3] / "shared/data/ludb"
# Mean and standard deviation in ms, after the form of IEC 60601-2-51.
BARS = {"QRS onset": (5, 10), "QRS offset": (5, 10), "P onset": (10, 15), "P offset": (10, 15), "T offset": (10, 25)}


@pytest.fixture(scope="module")
def score(tmp_path_factory) -> Score:
    folder = tmp_path_factory.mktemp("ludb")
    shutil.unpack_archive(next(LUDB.glob("*.tar.xz")), folder)
    records = next(path.parent for path in folder.rglob("51.hea"))
    result = Score()
    for number in range(51, 101):
        signal, rate, waves, comments = read(records, number)
        beats = delineate(signal, rate, find_r_peaks(signal[None], rate)[0])
        compare(beats, waves, any("atrial fibrillation" in line.lower() for line in comments), result)
    return result


@pytest.mark.skipif(not LUDB.is_dir(), reason=f"no LUDB at {LUDB}")
def test_boundaries_keep_within_the_standards_tolerance(score):
    for name, (mean, deviation) in BARS.items():
        values = np.array(score.differences[name])
        assert abs(values.mean()) <= mean, name
        assert values.std() <= deviation, name


# Against getting worse. For R the aim is 0.995, which is not reached: one paced record is marked at the spike.
@pytest.mark.skipif(not LUDB.is_dir(), reason=f"no LUDB at {LUDB}")
def test_waves_are_found(score):
    for name, least in (("R", 0.99), ("P", 0.95)):
        found, missed, false = score.counts[name]
        assert found / (found + missed) >= least
        assert found / (found + false) >= least


@pytest.mark.skipif(not LUDB.is_dir(), reason=f"no LUDB at {LUDB}")
def test_p_is_rare_in_fibrillation(score):
    found, beats, _ = score.counts["P in AF"]
    assert beats > 50
    assert found <= 0.05 * beats
