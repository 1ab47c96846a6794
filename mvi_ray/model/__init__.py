"""From a matrix to fitted, validated and stored models."""
