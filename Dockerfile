# syntax=docker/dockerfile:1.7
FROM rust:1.90-slim-bookworm AS build
RUN apt-get update \
 && apt-get install -y --no-install-recommends cmake clang make pkg-config \
 && rm -rf /var/lib/apt/lists/*
WORKDIR /source
COPY Cargo.toml Cargo.lock ./
COPY src ./src
COPY rules ./rules
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/source/target \
    cargo build --release --locked --bin portcullis \
 && cp target/release/portcullis /portcullis \
 && mkdir /empty

# glibc, certificates and a non-root user; no shell.
FROM gcr.io/distroless/cc-debian12:nonroot
COPY --from=build /portcullis /usr/local/bin/portcullis
COPY --from=build --chown=65532:65532 /empty /var/lib/portcullis
USER 65532:65532
WORKDIR /var/lib/portcullis
VOLUME /var/lib/portcullis
EXPOSE 4317 4318 9464 13133
STOPSIGNAL SIGTERM
ENTRYPOINT ["/usr/local/bin/portcullis"]
CMD ["serve", "--config", "/etc/portcullis/portcullis.yaml"]
