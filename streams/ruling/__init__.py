"""Ruling: what people do with rules: read them, check them, preview them, publish and pause versions."""
