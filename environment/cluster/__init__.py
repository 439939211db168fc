"""Trials spread over a cluster: each worker runs its share of the examples."""
