"""Alerts of a platform: what is looked at, when, and how people come to know of it."""
