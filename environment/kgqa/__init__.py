"""Task family two: knowledge-graph question answering, triple retrieval then question answering."""
