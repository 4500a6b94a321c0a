"""What the api does beyond passing calls on."""
