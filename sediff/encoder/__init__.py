"""The conditioner, which turns clinical text into tokens, and the judge, which reads ECGs; they share nothing."""
