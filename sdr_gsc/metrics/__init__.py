"""How close a received picture is to the sent one: distortion, perception and task agreement."""
