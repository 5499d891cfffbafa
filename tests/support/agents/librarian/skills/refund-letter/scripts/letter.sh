echo "a letter"
