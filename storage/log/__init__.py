"""Session logs: self-contained, hash-chained JSON lines; written, read and imported here."""
