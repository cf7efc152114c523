package pebble

import (
	"encoding/binary"
	"math"

	"hoofbeat/broker"
)

// The keyspaces, by the first byte of a key. Numbers in keys are big-endian,
// so that keys are in the order of positions.
const (
	prefixBody     = 'b' // b id -> a shared message
	prefixCounters = 'c' // c queue -> how much it holds
	prefixDropped  = 'd' // d queue -> it was dropped, and holds references to shared messages
	prefixFormat   = 'f' // f -> the version of all this
	prefixIDs      = 'i' // i -> no QueueID above it was ever used
	prefixMessage  = 'm' // m queue lane [at, in lane Delayed] seq -> a message, or a reference to a shared one; one 0 more -> its state
	prefixQueue    = 'q' // q queue -> its description
	prefixCount    = 'r' // r id -> how many references there are to a shared message
)

// The suffixes of a message's key.
const (
	noteSuffix = 0 // the key of its state
	nextSuffix = 1 // no key: where a range behind the message begins
)

const (
	laneOffset   = 1 + 8
	plainKeySize = laneOffset + 1 + 8
)

func appendQueueKey(dst []byte, prefix byte, id broker.QueueID) []byte {
	return binary.BigEndian.AppendUint64(append(dst, prefix), uint64(id))
}

func appendMessageKey(dst []byte, id broker.QueueID, p broker.Position) []byte {
	dst = append(appendQueueKey(dst, prefixMessage, id), byte(p.Lane))
	if p.Lane == broker.Delayed {
		dst = binary.BigEndian.AppendUint64(dst, uint64(p.At)^1<<63)
	}
	return binary.BigEndian.AppendUint64(dst, p.Seq)
}

// parseMessageKey is the inverse of appendMessageKey. The part of a key that
// comes behind it is rest.
func parseMessageKey(key []byte) (id broker.QueueID, p broker.Position, rest []byte, ok bool) {
	if len(key) < plainKeySize || key[0] != prefixMessage || key[laneOffset] > byte(broker.Delayed) {
		return 0, p, nil, false
	}
	id = broker.QueueID(binary.BigEndian.Uint64(key[1:]))
	p.Lane = broker.Lane(key[laneOffset])
	rest = key[laneOffset+1:]
	if p.Lane == broker.Delayed {
		if len(rest) < 16 {
			return 0, p, nil, false
		}
		p.At = int64(binary.BigEndian.Uint64(rest) ^ 1<<63)
		rest = rest[8:]
	}
	p.Seq = binary.BigEndian.Uint64(rest)
	return id, p, rest[8:], true
}

// appendLaneEnd appends a key behind all of a lane.
func appendLaneEnd(dst []byte, id broker.QueueID, lane broker.Lane) []byte {
	return append(appendQueueKey(dst, prefixMessage, id), byte(lane)+1)
}

// queueSpan is the range of all messages of a queue.
func queueSpan(id broker.QueueID) (from, to []byte) {
	return appendQueueKey(nil, prefixMessage, id), append(appendQueueKey(nil, prefixMessage, id), math.MaxUint8)
}

// prefixSpan is the range of a keyspace.
func prefixSpan(prefix byte) (from, to []byte) { return []byte{prefix}, []byte{prefix + 1} }

// parseQueueKey is the inverse of appendQueueKey.
func parseQueueKey(key []byte) (broker.QueueID, bool) {
	if len(key) != 1+8 {
		return 0, false
	}
	return broker.QueueID(binary.BigEndian.Uint64(key[1:])), true
}
