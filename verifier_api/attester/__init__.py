"""The attester's side: somebody who knows the real code of a line confirms it, and keeps count of
what he has confirmed. Knows no HTTP: `verifier_api.web.attester` serves it."""
