"""A small local web page over the session database."""
