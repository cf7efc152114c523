.PHONY: run build test bench lint fuzz interop

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
