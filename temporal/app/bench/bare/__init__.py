"""The same workloads without Perdure, for comparison."""
