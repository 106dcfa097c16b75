"""The program's side of radios whose vendor library runs in a worker: process, deadlines, shared memory, errors."""
