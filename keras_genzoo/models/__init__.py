"""The models, a folder for each family, a file for each model."""
