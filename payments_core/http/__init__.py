"""HTTP as a flow sees it: messages, parsing, URLs, retries, and the transports that carry a request."""
