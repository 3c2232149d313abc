"""What happens, in order: a flow reads like a table of contents."""
