# An image with one static program and nothing else: no shell, no libraries, no /tmp.
FROM busybox:latest AS source
FROM scratch
COPY --from=source /bin/busybox /busybox
