"""Signs and sends webhooks, and reads who receives them."""
