"""Rules of TES requests and of access; pure."""
