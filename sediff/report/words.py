"""What the page says to readers who know ECGs and not this project: what gates ask for."""

GATES = {
    "evaluation.heart_rate.mae_bpm": "The heart rate is close to the one asked for (mean error, bpm)",
    "evaluation.distribution.coverage": "Real ECGs of every kind have a synthetic one near (share of them)",
    "evaluation.distribution.synthetic.coverage.median": "No fewer of them than in the version that is served",
    "evaluation.agreement.auroc_synthetic": "Synthetic ECGs show the statements asked for (AUROC of the judge)",
    "evaluation.agreement.over_real.synthetic.ratio": "They do so no worse than in the version that is served",
    "evaluation.judges.seen_patients": "The judges have learnt from none of the test patients (number of these)",
    "evaluation.privacy.near_copies": "No synthetic ECG is a near copy of a training record (number of copies)",
    "evaluation.privacy.planted_copies_found": "The search finds copies that were planted to test it (share of them)",
    "evaluation.privacy.membership.auc_high": "No attack tells who was trained on (AUC of the worst, upper limit)",
    "evaluation.privacy.membership.tpr": "No attack is sure of single members (true positives at 1 % false ones)",
    "evaluation.privacy.canaries.came_out": "No impossible ECG planted among the training records came out (number)",
    "evaluation.limb_leads.residual_uv": "Einthoven's and Goldberger's equations hold between limb leads (µV off)",
}
