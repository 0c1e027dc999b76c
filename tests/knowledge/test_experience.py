import numpy as np
import pytest

from sediff.errors import UserError
from sediff.knowledge.experience import Experience, experience_values, read_experiences, value_count

EXPERIENCE = Experience(
    "e", "r", "text", "offline", None, ("n",), (1.0,), 75.0, None, 30.0, (1.0,) * 7 + (float("nan"),), (0.0, 0.5, 1.0)
)


def test_values_follow_the_stated_layout():
    values = experience_values(EXPERIENCE, 3)
    assert values.shape == (value_count(3),)
    assert values.dtype == np.float32
    assert values[[0, 2]] == pytest.approx([0.75, 0.3])
    assert np.isnan(values[1])
    assert values[3:10] == pytest.approx(np.zeros(7))
    assert np.isnan(values[10])
    assert values[11:].tolist() == [0, 0.5, 1]


def test_no_experience_is_all_missing():
    assert np.isnan(experience_values(None, 3)).all()


def test_a_missing_out_is_named(tmp_path):
    with pytest.raises(UserError, match=r"experience\.parquet is missing"):
        read_experiences(tmp_path)
