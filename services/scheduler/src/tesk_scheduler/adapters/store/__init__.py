"""The task store on SQLite or PostgreSQL, by SQLAlchemy Core."""
