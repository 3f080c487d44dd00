"""Other stream processors at a simple job on the same topic: seconds summed by patient and month, a message when they reach 20 minutes.

Each is a program of its own, `PROGRAM BROKER TOPIC OUT RECORDS SECONDS FOLDER`, that ends when it has taken so many records or after
so many seconds, and prints one JSON object: `records`, and from the first of them to the end the `seconds`
and the processor seconds (`cpu`) of the process.
"""
