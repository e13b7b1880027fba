"""Private keys that live elsewhere: files, PKCS#11 tokens, Vault, cloud KMS; each by its URI."""
