"""The practice around services, gathered and kept: specifications, signatures, reviews, requests for data, the path."""
