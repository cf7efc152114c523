.PHONY: run build docs test bench lint fuzz interop crash backlog soak model

run:
	go run ./cmd/hoofbeat serve $(ARGS)

build:
	CGO_ENABLED=0 go build -trimpath -o bin/hoofbeat ./cmd/hoofbeat

test:
	bash scripts/test.sh

bench:
	bash scripts/bench.sh

lint:
	bash scripts/lint.sh

fuzz:
	bash scripts/fuzz.sh

interop: build
	bash scripts/interop.sh

crash:
	CRASH_ROUNDS=$${CRASH_ROUNDS:-200} go test -count=1 -timeout 30m -v -run 'TestKill|TestDisk' ./internal/durable

backlog:
	BACKLOG_MESSAGES=$${BACKLOG_MESSAGES:-10000000} go test -count=1 -timeout 30m -v -run 'TestBacklog|TestIdleQueues' ./internal/durable

# MODEL=10m sets the duration, half for each test; MODEL_SEED=1 repeats the run with that seed.
model:
	MODEL=$${MODEL:-30m} go test -count=1 -timeout 3h -v -run 'TestModel|TestWorld' ./broker

# SOAK=5m sets the duration, SOAK_SEED=1 repeats a run with that seed, SOAK_CONNECTIONS=300 suits a small machine.
soak:
	SOAK=$${SOAK:-30m} go test -count=1 -timeout 2h -v ./internal/soak

docs:
	go run ./cmd/hoofbeat config reference >docs/configuration.md.new && mv docs/configuration.md.new docs/configuration.md

# VERSION=v1.0.0: builds a release of the checked-out commit in dist/.
release:
	VERSION='$(VERSION)' bash scripts/release.sh

# Builds the release twice, from two clones and without a build cache, and compares the bytes.
release-check:
	VERSION='$(VERSION)' bash scripts/release/check.sh

deb:
	VERSION='$(VERSION)' PLATFORMS="linux/$$(go env GOARCH)" bash scripts/release.sh

image: build
	bash scripts/image.sh bin/hoofbeat "$${TAG:-hoofbeat}"

man: build
	mkdir -p bin/man
	bin/hoofbeat man bin/man
