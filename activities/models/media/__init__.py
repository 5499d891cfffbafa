"""Files of a conversation as models are shown them: found, loaded, and made to fit."""
