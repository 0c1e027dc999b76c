"""Flow of the report stage: the gates' verdict and one self-contained page."""

from flows.stage import DATA, REPORTS, Context, run
from sediff.report.build import build_report
from sediff.sources import VIRTUAL


def report(context: Context) -> str:
    """Check the gates and write reports/index.html."""
    restricted = bool(context.params.restricted)
    simulated = any(source.name == VIRTUAL for source in context.params.corpus.sources)
    gates, page = context.params.gates, REPORTS / "index.html"
    return build_report(REPORTS, DATA, gates, page, context.report, restricted, simulated)


if __name__ == "__main__":
    run(report)
