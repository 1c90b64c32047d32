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
# The SBOM lists the Python packages; those of the system are the base image's.
RUN /opt/swapmock/bin/python -m pip install --no-cache-dir --no-deps --no-build-isolation . \
 && PYTHONDONTWRITEBYTECODE= /opt/swapmock/bin/swapmock routes >/dev/null \
 && /opt/swapmock/bin/python .ci/sbom.py >/opt/swapmock/sbom.cdx.json \
 && /opt/swapmock/bin/python -m pip uninstall --yes setuptools pip

FROM ${BASE}
ARG VERSION=0.2.0
ARG REVISION=
LABEL org.opencontainers.image.title="swapmock" \
      org.opencontainers.image.description="Offline emulator of the crun.ai and Img Open face swap APIs" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.base.name="docker.io/library/python:3.11-slim"
# Written by hand, for every base has a shell but not every one has useradd.
RUN echo 'swapmock:x:10001:' >>/etc/group \
 && echo 'swapmock:x:10001:10001:swapmock:/nonexistent:/usr/sbin/nologin' >>/etc/passwd
COPY --from=build /opt/swapmock /opt/swapmock
ENV SWAPMOCK_HOST=0.0.0.0 SWAPMOCK_PORT=4020 PYTHONDONTWRITEBYTECODE=1
EXPOSE 4020
USER 10001:10001
STOPSIGNAL SIGTERM
# With docker, `make image` adds --start-interval=1s: a container is healthy a second after its start. It does not stand here, for
# buildah 1.28 (Debian 12) refuses a Dockerfile that has it.
# The command finds host, port, TLS and unix socket in the environment and in the flags of the server.
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s CMD ["/opt/swapmock/bin/swapmock", "health"]
ENTRYPOINT ["/opt/swapmock/bin/swapmock"]
CMD ["serve"]
