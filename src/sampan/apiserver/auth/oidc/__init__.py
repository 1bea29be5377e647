"""OpenID Connect: identities from tokens that other issuers have signed."""
