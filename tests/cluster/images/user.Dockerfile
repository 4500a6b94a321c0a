# An image that is not run as root.
FROM busybox:latest
USER 1234
