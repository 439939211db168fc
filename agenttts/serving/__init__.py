"""An OpenAI-compatible endpoint in front of a pipeline with its best allocation."""
