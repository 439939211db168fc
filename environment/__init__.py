"""What runs a trial: tasks, strategies, model backends and the executor."""
