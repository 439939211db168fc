"""The planner: AgentTTS's three insights as priors, without a language model."""
