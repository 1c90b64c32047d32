"""The contracts in standard forms: Arazzo workflows, AsyncAPI of the callbacks, Postman and Bruno collections."""
