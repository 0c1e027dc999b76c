"""Flow of the report stage: the gates' verdict and one self-contained page."""

from flows.stage import DATA, REPORTS, Context, run
from sediff.report.build import build_report


def report(context: Context) -> str:
    """Check the gates and write reports/index.html."""
    restricted = any(source.sharing == "restricted" for source in context.params.corpus.sources)
    return build_report(REPORTS, DATA, context.params.gates, REPORTS / "index.html", context.report, restricted)


if __name__ == "__main__":
    run(report)
