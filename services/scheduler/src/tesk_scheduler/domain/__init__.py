"""Rules of the scheduler: quotas, admission, events; no clock, network or disk."""
