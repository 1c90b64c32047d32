"""The contracts in standard formats: Arazzo workflows, AsyncAPI of the callbacks, Postman and Bruno collections."""
