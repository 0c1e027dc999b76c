"""A package: neurokit2's wheel installs a top-level package `tests`, to which a mere folder of that name gives way."""
