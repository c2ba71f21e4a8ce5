"""Replaces every secret that the gateway has: step by step, resumable, and each old one proved dead."""
