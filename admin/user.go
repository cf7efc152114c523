package admin

// A Usage is the amount that a user occupies, and the limit in force; 0: none.
type Usage struct {
	Used  int `json:"used"`
	Limit int `json:"limit"`
}

// Holdings are the sums of everything that a user makes the broker keep.
type Holdings struct {
	Queues               Usage `json:"queues"`
	DurableSubscriptions Usage `json:"durable_subscriptions"`
	TemporaryQueues      Usage `json:"temporary_queues"`
	StoredBytes          Usage `json:"stored_bytes"`  // on disk
	MessageBytes         int   `json:"message_bytes"` // messages that the user sent, in memory
}

// UserInfo is the answer of /api/v1/user.
type UserInfo struct {
	User
	Subscriptions int `json:"subscriptions"`
	OutboundBytes int `json:"outbound_bytes"` // that wait to be written to the user's clients
	Holdings
}

// user answers for every name: a user without connections may own queues, and
// one without either is not known to the broker.
func (s *server) user(c *call) error {
	given, err := parameters(c.r, "name")
	if err != nil {
		return err
	}
	name, ok := given["name"]
	if !ok {
		return badRequest("expected the parameter name")
	}
	all, err := s.all()
	if err != nil {
		return err
	}
	out := UserInfo{User: User{User: name, Methods: []string{}}}
	if u := gatherUsers(all, name)[name]; u != nil {
		out.User = *u
	}
	for one := range all {
		if id := one.Identity(); id != nil && id.User == name {
			subscriptions, outbound := one.Load()
			out.Subscriptions += subscriptions
			out.OutboundBytes += outbound
		}
	}
	if s.o.Holdings != nil {
		out.Holdings = s.o.Holdings(name)
	}
	return answer(c.w, out)
}
