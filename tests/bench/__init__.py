"""Speed and memory (docs/performance.md): figures beside their targets, never a test that can fail on a slow machine."""
