"""The paper's agent: a language model that proposes allocations and writes guidelines."""
