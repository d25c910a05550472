"""What every page is served with."""
