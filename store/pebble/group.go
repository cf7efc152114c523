package pebble

import "hoofbeat/broker"

// A group has the batches that came while the one before was committed.
type group struct {
	number       uint64
	ops          []broker.Op
	applications []application
}

// An application is one call of Apply.
type application struct {
	end  int // where its steps end
	done func(error)
}

// maxSpare is how many entries a buffer may have to be used again.
const maxSpare = 32 << 10

// chunkSize is about how much of a group is written as one, in bytes. More
// would not fit into a MemTable twice.
const chunkSize = 4 << 20

func (g *group) add(b broker.Batch, done func(error)) {
	g.ops = append(g.ops, b...)
	g.applications = append(g.applications, application{len(g.ops), done})
}

// reset makes g the group with that number, and drops its pointers.
func (g *group) reset(number uint64) {
	clear(g.ops)
	clear(g.applications)
	g.ops, g.applications = g.ops[:0], g.applications[:0]
	if cap(g.ops) > maxSpare {
		g.ops = nil
	}
	if cap(g.applications) > maxSpare {
		g.applications = nil
	}
	g.number = number
}

// opSize is about the size of a step beside its message.
const opSize = 64

// chunk gives the number of applications from the one at first on that are
// written as one, at least one.
func (g *group) chunk(first int) int {
	size, op, shared := 0, g.start(first), uint64(0)
	for i := first; i < len(g.applications); i++ {
		if hasClear(g.ops[op:g.applications[i].end]) {
			return max(1, i-first)
		}
		for ; op < g.applications[i].end; op++ {
			o := &g.ops[op]
			size += opSize
			if o.Message != nil && (o.Shared == 0 || o.Shared != shared) {
				size += o.Message.Size()
				shared = o.Shared
			}
		}
		if size > chunkSize {
			return max(1, i-first)
		}
	}
	return len(g.applications) - first
}

// start is where the steps of an application begin.
func (g *group) start(i int) int {
	if i == 0 {
		return 0
	}
	return g.applications[i-1].end
}

// An elider finds messages that are put and deleted in one chunk. They need
// not be written, and nobody can see it: a chunk is seen as a whole.
type elider struct {
	last map[spot]int32 // the last Put or Note of messages put in the chunk
	prev []int32        // for each of them, the one before; negative: none
}

// A spot is a place in the Store.
type spot struct {
	queue broker.QueueID
	at    broker.Position
}

// elide removes steps from ops that need not be written. It is cheap if all
// of them put or all delete. Clear and Drop do not matter: a caller that puts
// a message in front of one and deletes it behind it has broken the contract.
func (e *elider) elide(ops []broker.Op) (elided int) {
	if !mixed(ops) {
		return 0
	}
	if e.last == nil {
		e.last = make(map[spot]int32)
	}
	clear(e.last)
	e.prev = e.prev[:0]
	for i := range ops {
		op := &ops[i]
		e.prev = append(e.prev, -1)
		switch op.Kind {
		case broker.Put:
			e.last[spot{op.Queue, op.At}] = int32(i)
		case broker.Note:
			if last, ok := e.last[spot{op.Queue, op.At}]; ok {
				e.prev[i] = last
				e.last[spot{op.Queue, op.At}] = int32(i)
			}
		case broker.Delete:
			elided += e.cut(ops, i)
		}
	}
	return elided
}

// cut removes the steps that the Delete at i makes void, and the Delete.
func (e *elider) cut(ops []broker.Op, i int) int {
	at := spot{ops[i].Queue, ops[i].At}
	last, ok := e.last[at]
	if !ok {
		return 0
	}
	delete(e.last, at)
	ops[i] = broker.Op{}
	n := 1
	for ; last >= 0; last = e.prev[last] {
		ops[last] = broker.Op{}
		n++
	}
	return n
}

func mixed(ops []broker.Op) bool {
	puts, deletes := false, false
	for i := range ops {
		puts = puts || ops[i].Kind == broker.Put
		deletes = deletes || ops[i].Kind == broker.Delete
		if puts && deletes {
			return true
		}
	}
	return false
}
