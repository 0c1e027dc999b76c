"""The virtual cohort: simulated patients in PTB-XL's layout, with an EHR in MIMIC-IV's, and the truth about both."""
