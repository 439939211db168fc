"""Where generations come from, one backend a file."""
