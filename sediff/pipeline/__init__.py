"""The graph in motion: what is stale, running one stage through DVC, and a Prefect server for the run."""
