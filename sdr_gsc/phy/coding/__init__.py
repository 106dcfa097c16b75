"""Channel coding: CRC, LDPC, and the table of modulation and coding schemes."""
