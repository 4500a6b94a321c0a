"""The api's ways out: to the scheduler, and to the files that name its users."""
