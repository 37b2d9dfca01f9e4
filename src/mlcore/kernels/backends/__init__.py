"""One module a backend, each a leaf set for the shared sources; and the loader that runs the sources beside it."""
