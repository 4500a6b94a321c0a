# An image that works where it keeps its program, with an empty folder beside it.
FROM busybox:latest
RUN mkdir -p /app /empty /home/tool && ln -s /app /linked \
 && printf '#!/bin/sh\necho "tool ran"\n' > /app/tool && chmod +x /app/tool
WORKDIR /app
