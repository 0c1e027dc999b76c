"""A lineage as one HTML page that opens without a network: a graph that one walks from node to node."""

import json
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from sediff.lineage.provenance import Lineage


def page_html(lineage: Lineage) -> str:
    """The page's text, the same for the same lineage; every text of a row is escaped."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    environment.filters["fact"] = _fact
    ids = {key: f"n{number}" for number, key in enumerate(lineage.nodes)}
    nodes = [
        {
            "id": ids[node.key],
            "node": node,
            "from": [(ids[link.target], lineage.nodes[link.target], link) for link in lineage.before(node.key)],
            "to": [(ids[link.source], lineage.nodes[link.source], link) for link in lineage.after(node.key)],
        }
        for node in lineage.nodes.values()
    ]
    template = environment.get_template("page.html")
    return template.render(root=lineage.root, nodes=nodes, notices=lineage.notices) + "\n"


def _fact(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, indent=1, ensure_ascii=False)
