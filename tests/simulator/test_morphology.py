import pytest
import torch

from sediff.errors import UserError
from sediff.simulator.morphology import ALL, DOWNWARD, UPWARD, Morphology


def test_the_rarest_statement_with_a_fit_stands_for_a_record():
    zeros = torch.zeros(3, 8, 5)
    morphology = Morphology(("*", "SR", "CLBBB"), (100, 80, 9), zeros, zeros, zeros + 0.1)
    assert morphology.statement_of([["CLBBB", "SR"], ["SR"], ["XYZ"], []]) == ["CLBBB", "SR", "*", "*"]


def test_a_statement_without_a_fit_of_its_own_stands_for_nobody_who_has_one():
    zeros = torch.zeros(4, 8, 5)
    morphology = Morphology(
        ("*", "BIGU", "CLBBB", "IVCD"),
        (100, 2, 50, 3),
        zeros,
        zeros,
        zeros + 0.1,
        ("all", "all", "statement", "superclass"),
    )
    rows = [["BIGU", "CLBBB"], ["CLBBB", "IVCD"], ["BIGU", "IVCD"], ["BIGU"]]
    assert morphology.statement_of(rows) == ["CLBBB", "CLBBB", "IVCD", "*"]


def test_fitted_ventricular_beats_are_used():
    values = torch.arange(3.0).view(3, 1, 1).expand(3, 8, 5)
    waves = Morphology((ALL, UPWARD, DOWNWARD), (9, 9, 9), values, values, values).ventricular()
    assert waves.theta[:, 0, 0].tolist() == [1, 2]


def test_without_any_a_ventricular_beat_is_wider_and_turns_t_round():
    a = torch.tensor([1.0, -5.0, 30.0, -7.5, 0.75]).expand(1, 8, 5)
    b = torch.tensor([0.25, 0.1, 0.1, 0.1, 0.4]).expand(1, 8, 5)
    waves = Morphology((ALL,), (9,), torch.zeros(1, 8, 5), a, b).ventricular()
    height = (waves.a * waves.b**2 / (a * b**2))[0, 0]
    assert (waves.b / b)[0, 0, 2] > 2
    assert height[2] > 1
    assert height[4] < -1
    assert height[0] == 0


def test_what_is_not_there_is_named(tmp_path):
    with pytest.raises(UserError, match=r"morphology\.parquet is missing: run `sediff run simulator` first"):
        Morphology.load(tmp_path)
