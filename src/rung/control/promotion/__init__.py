"""From a candidate to the incumbent: gates, approval, shadow, A/B test; each look, and what follows from it."""
