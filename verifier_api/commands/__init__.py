"""The insurer's commands, a module a group; `verifier_api.cli` puts them together."""
