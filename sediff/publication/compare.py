"""`sediff compare`: two versions, or a version and the working tree, on one page."""

from pathlib import Path

from sediff.files import replacing
from sediff.params import Params
from sediff.publication.metrics import (
    is_restricted,
    read_curves,
    read_manifests,
    read_metrics,
    read_pictures,
    read_queues,
)
from sediff.publication.versions import Version
from sediff.report.compare import Run, compare_page
from sediff.report.gates import check_gates
from sediff.report.measured import measured

WORKING_TREE = "working tree"


def compare(root: Path, params: Params, first: Version, second: Version | None, page: Path) -> str:
    """Write the page; `second` None is the working tree. Gates are those of params.yaml as it is now.

    Raises:
        UserError: what one of them measured cannot be read.
    """
    restricted = bool(params.restricted) or any(is_restricted(root, one) for one in (first, second))
    before, after = (_run(root, params, version, restricted) for version in (first, second))
    with replacing(page) as temporary:
        temporary.write_text(compare_page(before, after, restricted), encoding="utf-8")
    return f"{page} has {before.name} beside {after.name}"


def _run(root: Path, params: Params, version: Version | None, restricted: bool) -> Run:
    metrics = read_metrics(root, version)
    pictures = {} if restricted else read_pictures(root, version)
    gates, curves = check_gates(metrics, params.gates), read_curves(root, version)
    manifests, queues = read_manifests(root, version), read_queues(root, version)
    return Run(str(version or WORKING_TREE), measured(metrics), pictures, gates, curves, manifests, queues)
