"""The web page: tasks for people, in a browser."""
