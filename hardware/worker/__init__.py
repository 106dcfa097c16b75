"""The program that holds a vendor library (libuhd, SoapySDR) apart from everything else.

It is started by file path under an interpreter that has the library and imports nothing but the standard library, numpy
and that library: its modules name each other without a package. `framing` alone is read on both sides.
"""
