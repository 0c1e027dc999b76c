"""McSharry's dynamical model of the ECG: the field, rhythms, and morphology fitted to real beats."""
