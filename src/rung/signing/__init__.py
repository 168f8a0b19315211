"""Where artifacts come from, signed: a statement about a training, and who vouches for it.

The control plane states at the end of a training what it was made of, and signs that; it checks the signature before a
revision is served and before it is promoted. Files that can run code when they are read, pickles, are loaded on such a
word alone. `rung verify` checks the same for a person.

A statement is an in-toto Statement v1 with the provenance predicate of SLSA v1, in a DSSE envelope with an Ed25519
signature: tools for these read it. https://in-toto.io/Statement/v1, https://slsa.dev/provenance/v1,
https://github.com/secure-systems-lab/dsse.
"""

from rung.signing._envelope import Unsigned, seal, unseal
from rung.signing._keys import Keys, key_id
from rung.signing._statement import Dependency, Provenance, Subject

__all__ = ["Dependency", "Keys", "Provenance", "Subject", "Unsigned", "key_id", "seal", "unseal"]
