"""What `actupose doctor` looks at."""
