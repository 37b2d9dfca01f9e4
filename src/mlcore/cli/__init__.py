"""The command `mlcore`: train, predict, evaluate, and tell what a model file holds."""
