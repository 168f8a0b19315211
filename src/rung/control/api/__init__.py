"""The REST API: who asks, what they may do, and each use case as a route."""
