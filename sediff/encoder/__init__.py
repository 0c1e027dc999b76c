"""The conditioner, which turns clinical text into tokens, and the judges, which read ECGs; they share nothing."""
