"""Software development: coding, static testing and dynamic testing (docs/tasks/software.md)."""
