"""One module a backend, the leaf functions for the shared sources; and the loader that runs the sources beside them."""
