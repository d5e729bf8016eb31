"""What an operator does with a journal as a whole: backup, restore, verification."""
