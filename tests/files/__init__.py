"""Files and folders that tests lay out."""
