"""A version of the product that brings one migration more, which no schema has yet."""
