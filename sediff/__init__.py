"""sediff: synthetic 12-lead ECGs from clinical text, made by a pipeline that can be rerun and audited."""

__version__ = "0.1.0"
