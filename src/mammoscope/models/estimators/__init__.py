"""Classical estimators on a network's vectors: fitted with scikit-learn, kept as tensors."""
