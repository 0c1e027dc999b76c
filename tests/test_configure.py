"""Who may see a corpus, as `sediff configure` writes it down, and the key that this needs."""

import shutil
from pathlib import Path

import pytest

from sediff.configure import configure
from sediff.errors import UserError
from sediff.params import Params
from sediff.pipeline.run import prepare_sources
from sediff.pseudonyms import FILE, VARIABLE, identifier_of, read_key

ROOT = Path(__file__).parents[1]


@pytest.fixture
def project(tmp_path, monkeypatch) -> Path:
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.chdir(shutil.copytree(ROOT / "knowledge", tmp_path / "clone/knowledge").parent)
    shutil.copy(ROOT / "params.yaml", "params.yaml")
    return Path()


def sharing() -> dict[str, str]:
    return {source.name: source.sharing for source in Params.load().corpus.sources}


def test_a_restricted_source_gets_a_key_that_params_names(project, cohort):
    lines = configure(cohort, "restricted", "clinic")
    identifier = Params.load().pseudonyms.key
    assert identifier == identifier_of(read_key())
    assert read_key().hex() not in Path("params.yaml").read_text()
    assert sum(str(FILE) in line and "give it to your team" in line for line in lines) == 1
    assert not any(read_key().hex() in line for line in lines)
    assert configure(cohort, "restricted", "clinic") == [], "the same again changes nothing"
    assert Params.load().pseudonyms.key == identifier


def test_an_open_corpus_needs_no_key_and_leaves_params_as_they_were(project, cohort):
    before = Path("params.yaml").read_text()
    configure(cohort, "restricted", "clinic")
    identifier = Params.load().pseudonyms.key
    configure(Path("virtual"))
    assert Path("params.yaml").read_text() == before
    assert FILE.exists(), "the key is kept: data made with it may be around"
    configure(cohort, "restricted", "clinic")
    assert Params.load().pseudonyms.key == identifier


def test_one_restricted_source_beside_an_open_one_is_enough(project, cohort):
    configure(cohort, "restricted", "clinic")
    identifier = Params.load().pseudonyms.key
    configure(Path("virtual"), add=True)
    assert sharing() == {"clinic": "restricted", "virtual": "open"}
    assert Params.load().pseudonyms.key == identifier
    assert Params.load().restricted == ["clinic"]


def test_a_restricted_folder_is_not_opened_by_saying_nothing(project, cohort):
    configure(cohort, "restricted", "clinic")
    configure(cohort, name="clinic")
    assert sharing() == {"clinic": "restricted"}
    configure(cohort)  # as `make run CORPUS=...` does
    assert sharing() == {"ptb-xl": "restricted"}
    configure(cohort, "open")
    assert sharing() == {"ptb-xl": "open"}
    assert Params.load().pseudonyms.key == ""


def test_another_clone_makes_no_second_key(project, cohort):
    configure(cohort, "restricted", "clinic")
    FILE.unlink()
    before = Path("params.yaml").read_text()
    for ask in (lambda: configure(cohort, "restricted", "clinic"), lambda: prepare_sources(Params.load())):
        with pytest.raises(UserError, match=r"pseudonym\.key is missing"):
            ask()
    assert not FILE.exists()
    assert Path("params.yaml").read_text() == before


def test_a_run_with_another_key_is_refused(project, cohort, monkeypatch):
    configure(cohort, "restricted", "clinic")
    monkeypatch.setenv(VARIABLE, "0" * 64)
    with pytest.raises(UserError, match="is not the one that the data was made with"):
        prepare_sources(Params.load())


def test_a_restricted_folder_stays_so_after_another_corpus_was_configured(project, cohort):
    configure(cohort, "restricted", "clinic")
    configure(Path("virtual"))
    configure(cohort, None, "clinic")
    assert sharing() == {"clinic": "restricted"}
    configure(cohort, "open", "clinic")
    configure(Path("virtual"))
    configure(cohort, None, "clinic")
    assert sharing() == {"clinic": "open"}


def here() -> dict[str, bytes]:
    """All files of the clone."""
    return {path.as_posix(): path.read_bytes() for path in sorted(Path().rglob("*")) if path.is_file()}


@pytest.mark.parametrize(
    ("wrong", "edit"),
    [
        ({"profile": "bad"}, ("", "")),
        ({"profile": "workstation"}, ("steps: 2000", "steps: 7")),
        *(({"profile": "workstation"}, ("64\n    precision", f"{batch}\n    precision")) for batch in (32, 96)),
        ({"profile": "smoke", "name": "No Name"}, ("", "")),
        ({"reader": "none"}, ("", "")),
        ({"sharing": "secret"}, ("", "")),
        ({}, ("device: auto", "device: abacus")),
    ],
)
def test_what_is_refused_changes_nothing(wrong, edit, project, cohort):
    params = Path("params.yaml")
    params.write_text(params.read_text().replace(*edit))
    before = here()
    with pytest.raises(UserError):
        configure(cohort, **{"sharing": "restricted", "name": "clinic"} | wrong)
    assert here() == before, "no source, no size, no key"


def test_corpus_and_profile_change_together(project, cohort):
    lines = configure(cohort, "restricted", "clinic", profile="smoke")
    params = Params.load()
    assert (params.corpus.sources[0].name, params.diffusion.steps) == ("clinic", 16)
    assert any(line.startswith("diffusion.steps: 2000 → 16") for line in lines)
    assert configure(cohort, "restricted", "clinic", profile="smoke") == []


def test_a_batch_that_a_machine_measured_was_not_edited_by_anybody(project):
    from sediff.configure import SMALLEST_MEASURED
    from sediff.synthesis.batch import SMALLEST

    assert SMALLEST_MEASURED == SMALLEST
    params = Path("params.yaml")
    params.write_text(params.read_text().replace("64\n    precision", "1024\n    precision"))
    assert Params.load().synthesis.sampler.batch_size == 1024
    assert "synthesis.sampler.batch_size: 1024 → 64" in configure(profile="workstation")


def test_one_folder_under_two_names_is_refused(project, cohort, tmp_path):
    """Its patients would be in training under the one and in test under the other."""
    configure(cohort, name="clinic")
    before = Path("params.yaml").read_text(), Path(".sediff/local.yaml").read_text()
    (tmp_path / "link").symlink_to(cohort)
    for folder in (cohort, tmp_path / "link"):
        with pytest.raises(UserError, match="is the folder of source clinic and of again") as error:
            configure(folder, name="again", add=True)
        assert "\n" not in str(error.value)
    assert (Path("params.yaml").read_text(), Path(".sediff/local.yaml").read_text()) == before
    configure(cohort, name="clinic", add=True)
    configure(cohort, name="again")
    assert sharing() == {"again": "open"}, "in the place of the other it may be called so"


def test_ptb_xl_is_not_read_at_both_rates(project, cohort):
    configure(cohort, name="slow")
    before = Path("params.yaml").read_text()
    copy = shutil.copytree(cohort, Path("other"))
    with pytest.raises(UserError, match="slow and fast are both PTB-XL, read by ptb-xl and by ptb-xl-500"):
        configure(copy, name="fast", reader="ptb-xl-500", add=True)
    assert Path("params.yaml").read_text() == before
    configure(Path("virtual"))
    configure(copy, name="fast", reader="ptb-xl-500", add=True)
    assert sharing() == {"virtual": "open", "fast": "open"}, "the virtual cohort has the layout, not the patients"
