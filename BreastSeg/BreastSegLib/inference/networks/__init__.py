"""What the child process does with torch and nnU-Net, which nothing else imports: devices, models, sliding window."""
