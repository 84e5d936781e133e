"""nnU-Net in a child process: `client` (parent side), `worker` and `engine` (child side), `messages` between them."""
