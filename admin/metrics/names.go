package metrics

import "github.com/prometheus/client_golang/prometheus"

// A name is a metric without its value.
type name struct {
	desc *prometheus.Desc
	kind prometheus.ValueType
}

// names are all metrics except those of the Go runtime and the process.
type names struct {
	all []*prometheus.Desc

	build name

	connections, opened, rejected, accepted, refused, closed, slow, late name
	framesIn, bytesIn, framesOut, bytesOut                               name
	memoryLimit, memoryUsed, memoryPaused, memoryEnded                   name
	outbound, outboundMost                                               name

	decisions, expiries, refreshes          name
	keyFetches, keys, keysAge, keysAreStale name

	received, notTaken, unroutable, published, written, topicDropped             name
	restored, enqueued, delivered, redelivered, acked, nacked, requeued, faults  name
	dead, deadLettered, moved, dropped                                           name
	queues, messages, size, consumers, unattended, oldest, topics, subscriptions name
	writable, readErrors, elided, pendingOps, pendingReads, disk, free, minFree  name
	commitTime, commitOps, commitSize                                            name
	spansSent, spansLost                                                         name
	reloads, lastReload, lastReloadWell                                          name
}

const prefix = "hoofbeat_"

func (n *names) add(kind prometheus.ValueType, text, help string, labels ...string) name {
	d := prometheus.NewDesc(prefix+text, help, labels, nil)
	n.all = append(n.all, d)
	return name{d, kind}
}

func (n *names) counter(text, help string, labels ...string) name {
	return n.add(prometheus.CounterValue, text, help, labels...)
}

func (n *names) gauge(text, help string, labels ...string) name {
	return n.add(prometheus.GaugeValue, text, help, labels...)
}

func newNames() *names {
	n := &names{}
	n.build = n.gauge("build_info", "1, with what the program was built from.", "version", "commit", "goversion")
	n.nameClients()
	n.nameAccess()
	n.nameMessages()
	n.nameQueues()
	n.nameStore()
	n.spansSent = n.counter("trace_spans_sent_total", "Spans that the receiver of traces has taken.")
	n.spansLost = n.counter("trace_spans_lost_total", "Spans that nobody gets.", "reason")
	n.reloads = n.counter("config_reloads_total", "Attempts to put changed files in force.", "result")
	n.lastReload = n.gauge("config_last_reload_success_timestamp_seconds", "When the configuration in force was loaded.")
	n.lastReloadWell = n.gauge("config_last_reload_successful", "1 unless the last attempt to reload was refused.")
	return n
}

func (n *names) nameClients() {
	n.connections = n.gauge("connections", "Open connections; version is none before CONNECT was accepted.", "transport", "version")
	n.opened = n.counter("connections_opened_total", "Connections that got a session.", "transport")
	n.rejected = n.counter("connections_rejected_total", "Connections turned away before they could say anything.", "reason")
	n.accepted = n.counter("connects_accepted_total", "CONNECT frames that were accepted.", "transport", "version")
	n.refused = n.counter("connects_refused_total", "Connections that ended before a CONNECT was accepted.", "reason")
	n.closed = n.counter("sessions_closed_total", "Sessions that ended after their CONNECT was accepted.", "reason")
	n.slow = n.counter("slow_consumers_total", "Sessions that ended because their client does not read.")
	n.late = n.counter("late_frames_total", "Frames that came too late to change anything.", "command")
	n.framesIn = n.counter("frames_received_total", "STOMP frames of clients.", "command")
	n.bytesIn = n.counter("frames_received_bytes_total", "Bytes of STOMP frames of clients.", "command")
	n.framesOut = n.counter("frames_sent_total", "STOMP frames to clients.", "command")
	n.bytesOut = n.counter("frames_sent_bytes_total", "Bytes of STOMP frames to clients.", "command")
	n.outbound = n.gauge("outbound_bytes", "What waits to be written to all clients.")
	n.outboundMost = n.gauge("outbound_max_bytes", "What waits to be written to the client for whom most does.")
	n.memoryLimit = n.gauge("memory_limit_bytes", "What all clients together may make the broker hold in memory.")
	n.memoryUsed = n.gauge("memory_used_bytes", "What they do.")
	n.memoryPaused = n.counter("memory_paused_total", "Times that a sender had to wait for memory.")
	n.memoryEnded = n.counter("memory_ended_total", "Connections that were ended because they held most of the memory.")
	n.subscriptions = n.gauge("subscriptions", "Subscriptions of clients.")
}

func (n *names) nameAccess() {
	n.decisions = n.counter("acl_decisions_total", "What the access rules were asked, and said.", "action", "decision")
	n.expiries = n.counter("token_expiries_total", "Sessions that ended because their token had expired.")
	n.refreshes = n.counter("token_refreshes_total", "Tokens that clients sent to go on.", "result")
	n.keyFetches = n.counter("jwks_fetches_total", "Fetches of the key set at auth.jwt.jwks_url.", "result")
	n.keys = n.gauge("jwks_keys", "Keys of the last good fetch.")
	n.keysAge = n.gauge("jwks_age_seconds", "Time since the last good fetch.")
	n.keysAreStale = n.gauge("jwks_stale", "1 if the keys are too old to be trusted.")
}

func (n *names) nameMessages() {
	n.received = n.counter("messages_received_total", "Messages of clients, those that were refused included.")
	n.notTaken = n.counter("messages_refused_total", "Messages that were not taken.", "reason")
	n.unroutable = n.counter("messages_unroutable_total", "Replies to a connection that is gone.")
	n.published = n.counter("topic_messages_published_total", "Copies of topics' messages for subscribers that do not acknowledge.")
	n.written = n.counter("topic_messages_written_total", "Of these, those that were written.")
	n.topicDropped = n.counter("topic_messages_dropped_total", "Of these, those that never will be.", "reason")
	n.restored = n.counter("queue_messages_restored_total", "Messages that were on disk at the start.")
	n.enqueued = n.counter("queue_messages_enqueued_total", "Messages that queues were given.")
	n.delivered = n.counter("queue_messages_delivered_total", "Deliveries from queues.")
	n.redelivered = n.counter("queue_messages_redelivered_total", "Deliveries that were not the message's first.")
	n.acked = n.counter("queue_messages_acked_total", "Messages that consumers have acknowledged.")
	n.nacked = n.counter("queue_messages_nacked_total", "Deliveries that consumers have refused.")
	n.requeued = n.counter("queue_messages_requeued_total", "Deliveries that were given back, or failed once too often.")
	n.dead = n.counter("queue_messages_dead_total", "Messages that died.", "reason")
	n.deadLettered = n.counter("queue_messages_dead_lettered_total", "Dead messages that moved to a dead letter queue.")
	n.moved = n.counter("queue_messages_moved_total", "Messages that an operator moved to another queue.")
	n.dropped = n.counter("queue_messages_dropped_total", "Messages that are gone and were not acknowledged.", "reason")
	n.faults = n.counter("queue_faults_total", "Queues that were found to have lost count of their messages.")
}

func (n *names) nameQueues() {
	labels := []string{"policy", "kind"}
	n.queues = n.gauge("queues", "Queues that exist.", labels...)
	n.messages = n.gauge("queue_messages", "Messages in queues.", "policy", "kind", "state")
	n.size = n.gauge("queue_bytes", "Bytes of the messages in queues.", labels...)
	n.consumers = n.gauge("queue_consumers", "Consumers of queues.", labels...)
	n.unattended = n.gauge("queues_unattended", "Queues in which messages wait and that have no consumer.", labels...)
	n.oldest = n.gauge("queue_oldest_message_age_seconds", "How long the first message that waits has waited, in the queue where it is longest.", labels...)
	n.topics = n.gauge("topics", "Topics and patterns that somebody has subscribed to.")
}

func (n *names) nameStore() {
	n.writable = n.gauge("store_writable", "1 while durable queues take messages.")
	n.commitTime = n.gauge("store_commit_duration_seconds", "What a commit takes, with its sync.")
	n.commitOps = n.gauge("store_commit_operations", "Operations in a commit.")
	n.commitSize = n.gauge("store_commit_bytes", "Bytes in a commit.")
	n.elided = n.counter("store_elided_operations_total", "Operations that were void before they were written.")
	n.pendingOps = n.gauge("store_pending_operations", "Operations that wait for the next commit.")
	n.pendingReads = n.gauge("store_pending_reads", "Pages of messages that wait to be read.")
	n.readErrors = n.counter("store_read_errors_total", "Pages of messages that could not be read.")
	n.disk = n.gauge("store_disk_bytes", "What the files take.")
	n.free = n.gauge("store_free_bytes", "What is free on the file system of the store.")
	n.minFree = n.gauge("store_min_free_bytes", "What is to stay free there; below, durable queues take nothing.")
}
