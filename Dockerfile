# Builds the image from source: `docker build --build-arg VERSION=v1.0.0 --build-arg COMMIT=$(git rev-parse HEAD) -t
# hoofbeat .` deploy/docker/Dockerfile has the same last stage, for an existing binary. docs/deployment.md describes
# how to run the image.
ARG GO_IMAGE=golang:1.26.8-bookworm
FROM ${GO_IMAGE} AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG VERSION=(devel)
ARG COMMIT=
# Builders for other platforms set TARGETOS and TARGETARCH.
ARG TARGETOS
ARG TARGETARCH
RUN CGO_ENABLED=0 GOOS=${TARGETOS} GOARCH=${TARGETARCH} go build -trimpath -buildvcs=false \
    -ldflags "-s -w -X 'main.linkedVersion=${VERSION}' -X main.linkedCommit=${COMMIT}" -o /image/hoofbeat ./cmd/hoofbeat
RUN mkdir -p /image/data && cp /etc/ssl/certs/ca-certificates.crt /image/

FROM scratch
ARG VERSION=(devel)
ARG COMMIT=
LABEL org.opencontainers.image.title="hoofbeat" \
      org.opencontainers.image.description="A STOMP-over-WebSocket message broker" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${COMMIT}"
# For HTTPS requests to auth.jwt.jwks_url.
COPY --from=build /image/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY deploy/docker/hoofbeat.yaml /etc/hoofbeat/hoofbeat.yaml
COPY --from=build --chown=65532:65532 /image/data /data
COPY --from=build /image/hoofbeat /usr/bin/hoofbeat
# A number, so that Kubernetes can verify that the user is not root.
USER 65532:65532
WORKDIR /data
VOLUME /data
EXPOSE 15674 61613 15680
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=6s --start-period=60s --retries=3 CMD ["/usr/bin/hoofbeat", "health"]
ENTRYPOINT ["/usr/bin/hoofbeat"]
CMD ["serve"]
