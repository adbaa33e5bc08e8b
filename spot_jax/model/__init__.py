"""The T5 on its mesh, what of it is trained, and the loss."""
