"""mlcore beside scikit-learn, PyTorch and JAX: the same networks, on the same data, trained in turn."""
