"""From source to a server that answers: snapshot, environment, training, signature, server."""
