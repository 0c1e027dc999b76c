"""The datasheet of a dataset: what it is, what it is for, how it was made, what is in it."""

import json
from collections.abc import Iterable, Sequence
from typing import Any

from sediff.datasheet.columns import COLUMNS_TOLD
from sediff.datasheet.counts import Counts
from sediff.datasheet.facts import FILE, SCHEMA_VERSION, Facts
from sediff.datasheet.layouts import Layout
from sediff.datasheet.origins import Origin

WARNING = "These ECGs are synthetic. They belong to no patient and are no basis for a diagnosis."
NOT_RECORDED = "not recorded"
LONGEST_REQUEST = 4000  # characters
HEAD = """# {name}: synthetic 12-lead ECGs

**{warning}**

{records:,} records of 12 leads ({leads}), 10 s at 100 Hz, in microvolts, made by [sediff]: latent diffusion from
clinical text, informed by a simulator and by the experience held in similar patients' records.

## What it is for

To develop and test software and methods, to teach, and to make up for rare conditions in training, where results are
checked on real records. It is not for diagnosis, for estimates of how frequent anything is (its conditions are those
that were asked for), or as evidence that a method works on patients.

## What is in it

{told}

`croissant.json` describes the files for machines, `{file}` has the facts below as JSON (schema version {version}), and
`sha256sum -c SHA256SUMS` checks every file.
"""
TAIL = """
[sediff]: an implementation of SE-Diff (ICLR 2026, arXiv 2511.09895)
"""


def datasheet(
    facts: Facts,
    counts: Counts,
    layout: Layout,
    columns: Sequence[str],
    origins: Sequence[Origin],
    leads: Iterable[str],
) -> str:
    """The datasheet as Markdown; it has no date, host or path.

    Args:
        columns: of the layout's table, where it has one.
    """
    head = HEAD.format(
        name=facts.name,
        warning=WARNING,
        records=counts.records,
        leads=", ".join(leads),
        told=layout.told,
        file=FILE,
        version=SCHEMA_VERSION,
    )
    parts = [head, _columns(columns) if layout.table else "", _made(facts, counts), _trained_on(origins)]
    tables = (("Statement", counts.statements), ("Sex", counts.sexes), ("Age, years", counts.ages))
    parts += ["\n## Records by what was asked for\n", *(_table(name, rows.items()) for name, rows in tables)]
    return "".join([*parts, TAIL])


def description(facts: Facts, counts: Counts) -> str:
    """The dataset in a few sentences."""
    seeds = ", ".join(map(str, sorted(counts.seeds)))
    return f"{counts.records} synthetic 12-lead ECGs of 10 s at 100 Hz, request {facts.name}, seed {seeds}. {WARNING}"


def _columns(names: Sequence[str]) -> str:
    lines = "\n".join(f"- `{name}`: {COLUMNS_TOLD[name]}" for name in names if name in COLUMNS_TOLD)
    return f"\n## Columns\n\n{lines}\n"


def _made(facts: Facts, counts: Counts) -> str:
    settings = ", ".join(f"{name} {value}" for name, value in facts.sampler.items())
    rows = {
        "request": facts.name,
        "seed": ", ".join(map(str, sorted(counts.seeds))),
        "sampler": settings or NOT_RECORDED,
        "model (SHA-256)": ", ".join(sorted(counts.models)),
        "fingerprint of what made it": ", ".join(sorted(counts.fingerprints)),
    }
    lines = "\n".join(f"- {name}: {value}" for name, value in rows.items())
    return f"\n## How it was made\n\n{lines}\n\nWhat was asked for:\n\n{_block(facts.request)}\n"


def _trained_on(origins: Sequence[Origin]) -> str:
    """The training corpora, their licences and whom to name."""
    if not origins:
        return f"\n## Training corpora\n\nThe models' training corpora are {NOT_RECORDED}; their licences bind.\n"
    lines = [
        f"- {origin.title}: {origin.licence}{f' (<{origin.url}>)' if origin.url else ''}."
        f"{f' Please cite: {origin.citation}.' if origin.citation else ''}"
        for origin in origins
    ]
    return "\n## Training corpora, their licences, attribution\n\n" + "\n".join(lines) + "\n"


def _table(name: str, rows: Iterable[tuple[str, int]]) -> str:
    """Counts by name; the names are the vocabulary's or the project's, and no user's words."""
    lines = [f"| {key} | {count:,} |" for key, count in sorted(rows)]
    return "\n".join(["", f"| {name} | records |", "|---|---|", *lines, ""])


def _block(value: Any) -> str:
    """JSON as indented code, which no word in it can end."""
    if value is None:
        return f"    {NOT_RECORDED}"
    text = json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False)
    if len(text) > LONGEST_REQUEST:
        return f"    too long to show: {FILE} has it"
    return "\n".join(f"    {line}" for line in text.split("\n"))
