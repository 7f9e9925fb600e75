# The image of the agent. From the root of the repository:
#   docker build -f images/agent.Dockerfile -t meterbook-agent:0.1.0 .
# Debian alone is named, by its digest; what is done in it is what 'python -m images.build' does on a machine without Docker.
ARG BASE=debian:bookworm-20260918-slim@sha256:3783cc01769c7b2b1b83a5c5ad96c815348e28ed7da68e2e3687004faa906251

FROM ${BASE} AS build
RUN apt-get update && apt-get install --yes --no-install-recommends binutils ca-certificates python3 python3-venv
WORKDIR /meterbook
COPY images/tools.lock images/tools.lock
RUN python3 -m venv /tools && /tools/bin/python -m pip install --no-cache-dir --require-hashes -r images/tools.lock
COPY . .
RUN apt-get update && /tools/bin/python -m images.build agent /rootfs

FROM scratch
COPY --from=build /rootfs /
ENV PATH="/usr/local/bin:/usr/bin" \
    PYTHONUTF8="1" \
    PYTHONDONTWRITEBYTECODE="1" \
    PYTHONNOUSERSITE="1" \
    PYTHONUNBUFFERED="1" \
    SSL_CERT_FILE="/etc/ssl/certs/ca-certificates.crt"
LABEL org.opencontainers.image.title="Meterbook agent" \
    org.opencontainers.image.description="Reads your customers' meters and keeps the book" \
    org.opencontainers.image.version="0.1.0" \
    org.opencontainers.image.licenses="Apache-2.0" \
    org.opencontainers.image.vendor="Meterbook"
USER 65532:65532
WORKDIR /var/lib/meterbook
ENTRYPOINT ["meterbook"]
CMD ["--help"]
