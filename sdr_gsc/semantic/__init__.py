"""Pictures to quantized semantic symbols and back, and the values that travel between the stages."""
