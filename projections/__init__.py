"""What people and other systems read, each view with a version and a position of its own."""
