# docker build --tag swapmock . && docker run --rm --publish 4020:4020 swapmock
ARG BASE=docker.io/library/python:3.11-slim

FROM ${BASE} AS build
WORKDIR /src
RUN python3 -m venv /opt/swapmock
COPY requirements.lock ./
RUN /opt/swapmock/bin/python -m pip install --no-cache-dir --only-binary=:all: --require-hashes -r requirements.lock
COPY . ./
# The server needs no installer: what is not there cannot be misused.
# One run parses the contracts, which is kept, for the image itself writes nothing.
RUN /opt/swapmock/bin/python -m pip install --no-cache-dir --no-deps --no-build-isolation . \
 && PYTHONDONTWRITEBYTECODE= /opt/swapmock/bin/swapmock routes >/dev/null \
 && /opt/swapmock/bin/python -m pip uninstall --yes setuptools pip

FROM ${BASE}
# Written by hand, for every base has a shell but not every one has useradd.
RUN echo 'swapmock:x:10001:' >>/etc/group \
 && echo 'swapmock:x:10001:10001:swapmock:/nonexistent:/usr/sbin/nologin' >>/etc/passwd
COPY --from=build /opt/swapmock /opt/swapmock
ENV SWAPMOCK_HOST=0.0.0.0 SWAPMOCK_PORT=4020 PYTHONDONTWRITEBYTECODE=1
EXPOSE 4020
USER 10001:10001
STOPSIGNAL SIGTERM
# Finds host, port, TLS and unix socket in the environment and in the flags of the server.
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s CMD ["/opt/swapmock/bin/swapmock", "health"]
ENTRYPOINT ["/opt/swapmock/bin/swapmock"]
CMD ["serve"]
