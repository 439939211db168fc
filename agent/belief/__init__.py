"""What the trials so far tell about every allocation: a Bayesian model of the subtasks' responses."""
