"""Steps in a cluster: started, observed, judged, stopped and released."""
