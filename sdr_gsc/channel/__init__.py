"""The air and the analogue front ends, simulated: one physics for the loopback radio and the emulated radios."""
