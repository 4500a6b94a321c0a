"""How TESK talks to Kubernetes."""
