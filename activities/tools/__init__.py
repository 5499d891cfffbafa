"""Tools: finding, describing, running and watching them."""
