"""What is remembered: sessions, trials, guidelines, transcripts and generated samples."""
