"""What the mammography steps of a recipe do to images."""
