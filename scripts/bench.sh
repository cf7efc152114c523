#!/usr/bin/env bash
# Compares hoofbeat with NATS over WebSocket, and with Debian's RabbitMQ and its Web STOMP plugin, alternating, in the
# same scenarios on the same machine, and prints a table with the ratios, and then the one of the README. Each scenario starts a new broker, so that none inherits another's
# memory. The script fails if hoofbeat loses or misorders messages, but never because of timing.
#
#   BENCH_DURATION  how long each scenario is measured (5s)
#   BENCH_WARMUP    how long each runs before that (2s)
#   BENCH_CONNECTIONS  how many idle connections are opened (5000)
#   BENCH_PORT      first of the six ports on loopback that are used (25700)
#   BENCH_OUT       file to write the comparison to, as JSON
#   BENCH_RABBITMQ  path of rabbitmq-server, or "none" to leave RabbitMQ out
#   BENCH_NATS      path of nats-server, or "none" to leave NATS out (built by Go from its module, if it can be had)
#   BENCH_COMPARE   all, or first: the others take part in the first scenario only
#   BENCH_SERVE     more arguments for hoofbeat serve
#   BENCH_AGAINST   a revision of hoofbeat, such as HEAD~1: instead of RabbitMQ, its build is measured, in turn with
#                   this one, by the same generator. The table has the median of the ratios and their middle half.
#   BENCH_PAIRS     how many times each scenario is run by each of the two then (10)
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD

against=${BENCH_AGAINST:-}
pairs=${BENCH_PAIRS:-10}
duration=${BENCH_DURATION:-5s}
warmup=${BENCH_WARMUP:-2s}
connections=${BENCH_CONNECTIONS:-5000}
port=${BENCH_PORT:-25700}
out=${BENCH_OUT:-}
case $out in '' | /*) ;; *) out=$root/$out ;; esac

hoofbeat_port=$port rabbit_port=$((port + 1)) stomp_port=$((port + 2)) dist_port=$((port + 3)) epmd_port=$((port + 4))
nats_port=$((port + 5))
nats_version=v2.15.2

work=$(mktemp -d)
broker=       # process id of the shell's child that is the broker, or ends it
broker_pid=   # process id of the broker itself
epmd_pid=
failed=0
storage=      # directory that hoofbeat keeps queues in; "": none

cleanup() {
	stop_broker
	[ -z "$against" ] || git worktree remove --force "$work/against" 2>/dev/null || true
	if [ -n "$epmd_pid" ]; then
		kill "$epmd_pid" 2>/dev/null || true
		wait "$epmd_pid" 2>/dev/null || true
	fi
	rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# stop_broker ends the running broker and waits for it.
stop_broker() {
	[ -n "$broker" ] || return 0
	kill -TERM "$broker" 2>/dev/null || true
	for _ in $(seq 100); do
		kill -0 "$broker" 2>/dev/null || break
		sleep 0.1
	done
	kill -KILL "$broker" ${broker_pid:+"$broker_pid"} 2>/dev/null || true
	wait "$broker" 2>/dev/null || true
	broker= broker_pid=
}

# listening succeeds if something listens on a port.
listening() {
	(exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null
}

# await_port waits until the broker listens on a port.
await_port() {
	for _ in $(seq 600); do
		listening "$1" && return 0
		if ! kill -0 "$broker" 2>/dev/null; then
			echo "bench: the broker ended before it listened on port $1:" >&2
			tail -n 20 "$work/broker.log" >&2
			return 1
		fi
		sleep 0.1
	done
	echo "bench: nothing listens on port $1 after a minute" >&2
	return 1
}

# start_hoofbeat starts a build, with a storage directory if $storage is set.
start_hoofbeat() {
	local binary=${1:-$root/bin/hoofbeat}
	rm -rf "$work/hoofbeat"
	mkdir -p "$work/hoofbeat"
	# The empty directory keeps the caller's configuration file out.
	# shellcheck disable=SC2086 # BENCH_SERVE is several arguments
	(cd "$work/hoofbeat" && exec "$binary" serve \
		--listen-websocket-address "127.0.0.1:$hoofbeat_port" --listen-admin-address= \
		--storage-directory "$storage" ${BENCH_SERVE:-}) >"$work/broker.log" 2>&1 &
	broker=$! broker_pid=$!
	await_port "$hoofbeat_port"
}

# find_rabbitmq prints the path of rabbitmq-server. Debian's script in sbin comes last, because it changes to another
# user and drops the environment.
find_rabbitmq() {
	[ "${BENCH_RABBITMQ:-}" != none ] || return 1
	for candidate in "${BENCH_RABBITMQ:-}" /usr/lib/rabbitmq/bin/rabbitmq-server /usr/sbin/rabbitmq-server; do
		if [ -x "$candidate" ]; then
			echo "$candidate"
			return 0
		fi
	done
	return 1
}

# prepare_rabbitmq writes RabbitMQ's configuration and starts a port mapper daemon that this script can end.
prepare_rabbitmq() {
	local dir=$work/rabbitmq
	mkdir -p "$dir/home" "$dir/log" "$dir/mnesia"
	cat >"$dir/rabbitmq.conf" <<-END
		listeners.tcp = none
		web_stomp.tcp.ip = 127.0.0.1
		web_stomp.tcp.port = $rabbit_port
		stomp.listeners.tcp.1 = 127.0.0.1:$stomp_port
		log.file.level = warning
		log.console = false
	END
	echo '[rabbitmq_web_stomp,rabbitmq_stomp].' >"$dir/enabled_plugins"
	epmd -port "$epmd_port" -address 127.0.0.1 >/dev/null 2>&1 &
	epmd_pid=$!
}

start_rabbitmq() {
	local dir=$work/rabbitmq
	rm -f "$dir/pid"
	HOME=$dir/home ERL_EPMD_ADDRESS=127.0.0.1 ERL_EPMD_PORT=$epmd_port \
		RABBITMQ_NODENAME=hoofbeat-bench-$$@localhost RABBITMQ_DIST_PORT=$dist_port \
		RABBITMQ_MNESIA_BASE=$dir/mnesia RABBITMQ_LOG_BASE=$dir/log RABBITMQ_PID_FILE=$dir/pid \
		RABBITMQ_CONF_ENV_FILE=/dev/null RABBITMQ_CONFIG_FILE=$dir/rabbitmq \
		RABBITMQ_ENABLED_PLUGINS_FILE=$dir/enabled_plugins \
		RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS="-start_epmd false -kernel inet_dist_use_interface {127,0,0,1}" \
		"$rabbitmq" >"$work/broker.log" 2>&1 </dev/null &
	broker=$!
	await_port "$rabbit_port" || return 1
	broker_pid=$(cat "$dir/pid")
}

# find_nats prints the path of nats-server, which it builds if need be.
find_nats() {
	case ${BENCH_NATS:-} in
	none) return 1 ;;
	'') ;;
	*) echo "$BENCH_NATS" && return ;;
	esac
	command -v nats-server && return
	GOBIN=$work/bin GOFLAGS= go install "github.com/nats-io/nats-server/v2@$nats_version" >"$work/nats.log" 2>&1 || return 1
	echo "$work/bin/nats-server"
}

start_nats() {
	cat >"$work/nats.conf" <<-END
		listen: 127.0.0.1:-1
		websocket { host: 127.0.0.1, port: $nats_port, no_tls: true }
	END
	"$nats" --config "$work/nats.conf" >"$work/broker.log" 2>&1 &
	broker=$! broker_pid=$!
	await_port "$nats_port"
}

# measure runs one scenario against the broker at a URL and appends the result to a file.
measure() {
	local file=$1 url=$2
	shift 2
	"$root/bin/hoofbeat" bench "$@" --url "$url" --pid "$broker_pid" --json >>"$file"
}

# topics runs one scenario against each broker, and all one that NATS cannot.
topics() { each nats "$@"; }
all() { each '' "$@"; }

each() {
	local with=$1
	shift
	echo "bench: $*" >&2
	if ! { start_hoofbeat && measure "$work/hoofbeat.json" "ws://127.0.0.1:$hoofbeat_port/ws" "$@"; }; then
		echo "bench: hoofbeat failed in: $*" >&2
		failed=1
	fi
	stop_broker
	if [ -n "$with" ] && [ -n "$nats" ]; then
		if ! { start_nats && measure "$work/nats.json" "nats+ws://127.0.0.1:$nats_port/" "$@"; }; then
			echo "bench: NATS failed in: $*" >&2
		fi
		stop_broker
	fi
	if [ -n "$rabbitmq" ]; then
		if ! { start_rabbitmq && measure "$work/rabbitmq.json" "ws://127.0.0.1:$rabbit_port/ws" "$@" "${guest[@]}"; }; then
			echo "bench: RabbitMQ failed in: $*" >&2
		fi
		stop_broker
	fi
	[ "${BENCH_COMPARE:-all}" = all ] || rabbitmq='' nats=''
}

# build_against builds the other revision.
build_against() {
	git worktree add --detach --quiet "$work/against" "$against"
	(cd "$work/against" && go build -o "$work/hoofbeat-against" ./cmd/hoofbeat)
}

# one measures a build of hoofbeat in one scenario and appends the result to a file.
one() {
	local binary=$1 file=$2
	shift 2
	if ! { start_hoofbeat "$binary" && measure "$file" "ws://127.0.0.1:$hoofbeat_port/ws" "$@"; }; then
		echo "bench: $binary failed in: $*" >&2
		failed=1
	fi
	stop_broker
}

# in_turn runs one scenario with both builds, alternating the order: the second run of a pair benefits from warm
# caches and a warm processor.
in_turn() {
	local i
	echo "bench: $pairs times: $*" >&2
	for i in $(seq "$pairs"); do
		if [ $((i % 2)) = 1 ]; then
			one "$root/bin/hoofbeat" "$work/hoofbeat.json" "$@"
			one "$work/hoofbeat-against" "$work/against.json" "$@"
		else
			one "$work/hoofbeat-against" "$work/against.json" "$@"
			one "$root/bin/hoofbeat" "$work/hoofbeat.json" "$@"
		fi
	done
}

# compare_builds runs the scenarios that a change must not slow down.
compare_builds() {
	in_turn fanout --subscribers 50 "${timing[@]}"
	in_turn pairs --pairs 4 "${timing[@]}"
	in_turn queue --pairs 4 --ack client-individual "${timing[@]}"
	storage=data
	in_turn queue --pairs 4 --ack client-individual --receipt --persistent --window 256 "${timing[@]}"
	storage=
	echo "$(nproc) processors shared by broker and generator, $duration each, bodies of 128 bytes, $pairs pairs of runs in turn"
	"$root/bin/hoofbeat" bench compare --repeated --names "hoofbeat,$against" ${out:+--out "$out"} "$work/hoofbeat.json" "$work/against.json"
	exit "$failed"
}

go build -o bin/hoofbeat ./cmd/hoofbeat
for p in $(seq "$port" $((port + 5))); do
	if listening "$p"; then
		echo "bench: port $p is in use, set BENCH_PORT" >&2
		exit 1
	fi
done
touch "$work/hoofbeat.json" "$work/nats.json" "$work/rabbitmq.json"
timing=(--warmup "$warmup" --duration "$duration" --timeout 60s)
if [ -n "$against" ]; then
	build_against
	compare_builds
fi
rabbitmq=$(find_rabbitmq) || rabbitmq=
if [ -z "$rabbitmq" ]; then
	echo "bench: RabbitMQ is not installed (Debian: apt install rabbitmq-server) and is skipped; hoofbeat is measured alone" >&2
else
	prepare_rabbitmq
fi

if ! nats=$(find_nats); then
	nats=
	echo "bench: nats-server could not be had and is skipped" >&2
fi

guest=(--host / --login guest --passcode guest) # RabbitMQ takes the host for a virtual host's name
topics fanout --subscribers 50 "${timing[@]}"
topics fanout --subscribers 50 --stalled 1 "${timing[@]}"
topics fanout --subscribers 500 "${timing[@]}"
topics fanout --subscribers 50 --size 1024 "${timing[@]}"
topics fanout --subscribers 50 --size 16384 "${timing[@]}"
topics fanout --subscribers 50 --rate 200 "${timing[@]}"
topics pairs --pairs 4 "${timing[@]}"
all queue --pairs 4 --ack client-individual "${timing[@]}"
storage=data
all queue --pairs 4 --ack client-individual --receipt --persistent --window 256 "${timing[@]}"
storage=
topics connections --connections "$connections" --timeout 60s

echo "$(nproc) processors shared by broker and generator, $duration each, bodies of 128 bytes unless said; us is the processor time per delivery or connection"
files=("$work/hoofbeat.json") names=hoofbeat
if [ -s "$work/nats.json" ]; then
	files+=("$work/nats.json") names+=',NATS'
fi
if [ -s "$work/rabbitmq.json" ]; then
	files+=("$work/rabbitmq.json") names+=',RabbitMQ'
fi
"$root/bin/hoofbeat" bench compare --names "$names" --markdown ${out:+--out "$out"} "${files[@]}"
exit "$failed"
