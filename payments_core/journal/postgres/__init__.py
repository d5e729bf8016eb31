"""The shared journal: one PostgreSQL database."""
