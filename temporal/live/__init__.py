"""What streams between processes while a session works."""
