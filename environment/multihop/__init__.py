"""Task family one: multi-hop question answering, retrieval then question answering."""
