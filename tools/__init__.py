"""The calculus of allocations: pure functions and values, fast, no input or output."""
