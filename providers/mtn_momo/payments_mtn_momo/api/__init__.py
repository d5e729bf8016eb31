"""MTN's API as code: what each call looks like, what is sent, and what each response means.

The neutral provider and the native clients use it; it knows neither of them, and it waits for nothing.
"""
