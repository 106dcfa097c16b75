"""Video over a link: clips, a video coder that fits a number of bytes, its transmission, and the stages of both."""
