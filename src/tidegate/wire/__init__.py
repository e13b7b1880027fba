"""Types that servers and clients share."""
