"""What is billable, and why: pure functions of facts and rules, without I/O, clock or logging."""
