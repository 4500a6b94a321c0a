"""What the api decides by itself: rules of TES requests, and who asks."""
