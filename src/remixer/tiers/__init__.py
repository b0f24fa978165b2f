"""Mixers around a Mixer: caches that answer for it, and for it while it cannot."""
