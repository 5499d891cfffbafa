"""What the processes of Perdure are made of, and how they start and end."""
