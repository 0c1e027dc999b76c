from pathlib import Path

import pytest
import yaml

from flows.study import generators_of
from sediff.errors import UserError
from sediff.study.plan import BASELINE, DECLARED, Plan

PLAN = Plan.load()


def test_the_core_comes_first_at_five_seeds():
    cells = PLAN.chosen([], [], [])
    core = [(study, arm, seed) for study, arm, seed in cells if PLAN.is_core(study, arm)]
    assert cells[: len(core)] == core
    assert {(study, arm) for study, arm, _ in core} == {
        (study, arm) for study in ("superclasses", "thinned-CLBBB") for arm in ("real", "synthetic", "both")
    }
    assert {seed for *_, seed in core} == {0, 1, 2, 3, 4}
    assert len(set(cells)) == len(cells)
    assert {study for study, *_ in cells} == set(PLAN.studies)
    for study in PLAN.studies:
        assert (study, BASELINE, 0) in cells, "what is compared needs what it is compared with"
    assert PLAN.chosen(["svt"], ["real"], [7]) == [("svt", "real", 7)]


def test_an_unknown_name_is_one_sentence():
    with pytest.raises(UserError, match="There is no study sexes: there are superclasses, statements, thinned"):
        PLAN.chosen(["sexes"], [], [])
    with pytest.raises(UserError, match="There is no arm reals: there are real, synthetic"):
        PLAN.chosen([], ["reals"], [])


@pytest.mark.parametrize(
    ("study", "message"),
    [
        ({"target": "superclasses", "tested_on": ["test"], "core": ["all"]}, "arm all is not declared"),
        ({"target": "statements", "tested_on": ["test"]}, "name statements"),
        ({"target": "sex"}, "say who is tested"),
        ({"target": "sex", "tested_on": ["test"], "folds": 5}, "say who is tested"),
        ({"target": "superclasses", "tested_on": ["test"], "kept": 20}, "only cases of one class"),
        ({"target": "each statement", "tested_on": ["test"], "kept": 20}, "only cases of one class"),
        ({"target": "each statement", "tested_on": ["test"], "statements": ["WPW"]}, "name statements"),
        ({"target": "sex", "tested_on": ["test"], "network": "deep"}, "network deep is not declared"),
        ({"target": "sex", "tested_on": ["train"]}, "Input should be 'audit', 'validation' or 'test'"),
    ],
)
def test_a_plan_that_cannot_be_is_one_sentence(tmp_path, study, message):
    path = tmp_path / "studies.yaml"
    path.write_text(yaml.safe_dump(yaml.safe_load(DECLARED.read_text()) | {"studies": {"one": study}}))
    with pytest.raises(UserError, match=message):
        Plan.load(path)


def test_the_published_depth_is_declared_and_no_core_cell_has_it():
    deep = {name for name, study in PLAN.studies.items() if study.network == "xresnet1d101"}
    assert deep == {"deep-superclasses", "deep-statements"}
    assert not any(PLAN.is_core(study, arm) for study, arm, _ in PLAN.chosen([*deep], [], []))
    shorter = PLAN.trained_for(2)
    assert {shorter.classifier_of(study).steps for study in PLAN.studies} == {2}
    assert shorter.classifier_of("deep-statements").depth == (3, 4, 23, 3)


def test_a_study_may_have_its_own_generator_and_one_that_asks_for_a_class_must():
    own = generators_of(PLAN, [])
    assert own["superclasses"] == [Path("data")] and own["thinned-CLBBB"] == []
    named = generators_of(PLAN, ["../a=b", "thinned-CLBBB=../c"])
    assert named["superclasses"] == named["thinned-WPW"] == [Path("../a=b/data")]
    assert named["thinned-CLBBB"] == [Path("../c/data")]
