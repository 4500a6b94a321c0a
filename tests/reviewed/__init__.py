"""Files that people have reviewed, and what tests compare with them."""
