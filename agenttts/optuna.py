"""agenttts in Optuna: a sampler for anyone's study, and what its objective calls."""

from __future__ import annotations

from agent.optuna_allocations import report_stage_scores
from agent.optuna_sampler import AgentTTSSampler, suggest_allocation

__all__ = ["AgentTTSSampler", "report_stage_scores", "suggest_allocation"]
