"""How close the receiver comes to what theory allows."""
