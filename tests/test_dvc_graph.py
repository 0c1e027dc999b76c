"""dvc.yaml against the code: each stage depends on the modules that make its bytes, and on no others."""

import ast
from pathlib import Path

import pytest
import yaml

from sediff.lineage.graph import read_graph

ROOT = Path(__file__).parents[1]
GRAPH = read_graph(ROOT)
# Modules that speak to the user or check parameters; a change of theirs changes no byte of an out.
SILENT = {"sediff.errors", "sediff.progress", "sediff.section", "sediff.params"}
LOADED_AS_WHOLES = {"sediff/vocabulary", "sediff/delineation", "sediff/training"}
SILENT_PREFIXES = ("sediff.lineage", "flows.")
# One flow, two stages: what a stage's flow imports for the other one alone need not be among its deps.
FOR_THE_OTHER = {
    "encoder@conditioner": {"sediff.encoder.train_judges"},
    "encoder@judges": {"sediff.encoder.train_conditioner"},
}


def module_path(module: str) -> Path | None:
    base = ROOT.joinpath(*module.split("."))
    return next((path for path in (base.with_suffix(".py"), base / "__init__.py") if path.is_file()), None)


def imported(path: Path) -> set[str]:
    """Project modules that a file imports, those named by `from package import module` too."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("sediff"):
            found.add(node.module)
            found |= {name for alias in node.names if module_path(name := f"{node.module}.{alias.name}")}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names if alias.name.startswith("sediff")}
    return found


def closure(path: Path, without: frozenset[str] | set[str] = frozenset()) -> set[str]:
    seen: set[str] = set()
    queue = imported(path) - without
    while queue:
        module = queue.pop()
        if module in seen or module in SILENT or module.startswith(SILENT_PREFIXES):
            continue
        seen.add(module)
        source = module_path(module)
        queue |= imported(source) if source else set()
    return seen


def code_of(stage: str) -> set[str]:
    return {dep for dep in GRAPH[stage].deps if dep.startswith(("sediff", "flows"))}


def covered(module: str, deps: set[str]) -> bool:
    path = module_path(module)
    assert path, module
    relative = path.relative_to(ROOT)
    return any(relative == Path(dep) or relative.is_relative_to(dep) for dep in deps) or relative == Path(
        "sediff/__init__.py"
    )


@pytest.mark.parametrize("stage", GRAPH)
def test_deps_are_the_import_graph(stage):
    flow = ROOT / "flows" / f"{stage.split('@')[0]}.py"
    modules, deps = closure(flow), code_of(stage)
    own = closure(flow, FOR_THE_OTHER.get(stage, set()))
    missing = sorted(module for module in own if not covered(module, deps))
    assert not missing, f"{stage} imports {missing}, which its deps do not list"
    paths = {module_path(module).relative_to(ROOT) for module in modules} | {flow.relative_to(ROOT)}
    paths.add(Path("flows/device.py"))
    unused = [dep for dep in deps if not any(path == Path(dep) or path.is_relative_to(dep) for path in paths)]
    assert not unused, f"{stage} lists {unused}, which it does not import"
    folders = {dep for dep in deps if not dep.endswith(".py")} - LOADED_AS_WHOLES
    assert folders == {f"sediff/{stage.split('@')[0]}"}, "of another package only the modules that are imported"
    assert ("flows/device.py" in deps) == ("computes=True" in flow.read_text())
    assert str(flow.relative_to(ROOT)) in deps
    assert "constraints.txt" in GRAPH[stage].deps


def test_one_name_for_one_thing():
    sections = yaml.safe_load((ROOT / "params.yaml").read_text())
    for stage in {name.split("@")[0] for name in GRAPH}:
        assert (ROOT / "flows" / f"{stage}.py").is_file()
        assert (ROOT / "sediff" / stage).is_dir()
        assert stage in sections or stage == "report"


def test_no_stage_depends_on_how_it_runs():
    for name, stage in GRAPH.items():
        assert not any(key.split(".")[0] == "runtime" for key in stage.params)
        assert ("gates" in stage.params) == (name == "report")


def test_the_vocabulary_is_a_dependency_where_it_is_loaded():
    for name, stage in GRAPH.items():
        loads = "sediff.vocabulary" in closure(ROOT / "flows" / f"{name.split('@')[0]}.py")
        listed = {f"knowledge/{file}.yaml" for file in ("statements", "certainty", "wording")} <= set(stage.deps)
        assert listed == loads, name


def test_curated_terms_are_dependencies_where_they_are_loaded():
    for name, stage in GRAPH.items():
        loads = "sediff.knowledge.terms" in closure(ROOT / "flows" / f"{name.split('@')[0]}.py")
        files = {f"knowledge/{file}.yaml" for file in ("diagnoses", "drugs", "icd")}
        assert files & set(stage.deps) == (files if loads else set()), name


def test_each_encoder_depends_on_what_it_reads():
    """The judges read no experience; who may see texts is the conditioner's concern, and the pin the judges'."""
    conditioner, judges = (GRAPH[f"encoder@{item}"] for item in ("conditioner", "judges"))
    assert set(conditioner.deps) - set(judges.deps) == {"data/knowledge"}
    assert set(judges.deps) - set(conditioner.deps) == {"sediff/evaluation/agreement.py"}
    assert {"corpus.sources", "encoder.conditioner"} <= set(conditioner.params) - set(judges.params)
    assert {"encoder.retrain", "encoder.judges"} <= set(judges.params) - set(conditioner.params)


def test_the_graph_is_read_as_dvc_reads_it():
    from dvc.repo import Repo

    with Repo(str(ROOT)) as repo:
        read = {stage.addressing: stage for stage in repo.index.stages if not stage.is_data_source}
        deps = {
            name: {dep.def_path for dep in stage.deps if dep.def_path != "params.yaml"} for name, stage in read.items()
        }
    assert deps == {name: set(stage.deps) for name, stage in GRAPH.items()}


def test_what_only_the_llm_reads_retrains_nothing():
    readers = {name for name, stage in GRAPH.items() if "knowledge/prompts" in stage.deps}
    assert readers == {"knowledge"}
