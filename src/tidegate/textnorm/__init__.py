"""Unicode normalisation shared by detectors and the gateway."""
