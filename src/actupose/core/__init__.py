"""Pure tensor mathematics: tensor in, tensor out, batched, on the device of its arguments."""
