"""S3: where ciphertext and sealed manifest pages are kept."""
