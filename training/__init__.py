"""Makes models: load, split, fit, evaluate, export, promote."""
