"""CertificateSigningRequests: who is approved by itself, what each signer signs, and when a request is cleared away."""
