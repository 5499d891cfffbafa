"""The measurements, one file per group."""
