"""Synthetic datasets: a pure function of the models, a request and a seed."""
