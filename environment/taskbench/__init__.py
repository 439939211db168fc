"""Task family three: task automation, decomposition then tool selection then parameter prediction."""
