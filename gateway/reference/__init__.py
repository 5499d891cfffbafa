"""The parts of the guide that the code writes. `python -m perdure.gateway.reference` writes them into the pages."""
