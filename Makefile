.PHONY: run build docs test bench lint fuzz interop crash backlog

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

docs:
	go run ./cmd/hoofbeat config reference >docs/configuration.md.new && mv docs/configuration.md.new docs/configuration.md
