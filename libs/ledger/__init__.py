"""Double-entry book: postings as pure data, a book in memory, a store in PostgreSQL, and the proof that it adds up."""

from pathlib import Path

MIGRATIONS = Path(__file__).parent / "migrations"
"""The tables of the book, for the migrations runner."""
