"""NequIP networks trained on CPUs by kernels of our own. See README.md in the room above."""
