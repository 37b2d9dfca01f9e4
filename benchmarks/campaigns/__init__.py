"""Campaigns: thousands of drawn cases against what is known of them, too many for the tests."""
