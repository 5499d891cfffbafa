"""Runs of agents as the command line makes them: one, or one for each row of a file."""
