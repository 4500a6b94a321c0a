"""Client of the Kubernetes API, pod templates and settings of TESK in a cluster."""
