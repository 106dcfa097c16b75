"""Training of the shipped models: a folder of pictures in, safetensors and a card out."""
