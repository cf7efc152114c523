package auth

// Login returns whom a name and a passcode prove, or a [Refusal]. Unlike
// [Authenticator.Authenticate] it takes the passcode for nothing else, and lets
// nobody in who proves nothing. It takes as long.
func (a *Authenticator) Login(name, passcode string) (*Identity, error) {
	s := a.state.Load()
	if !s.users.configured {
		return nil, &Refusal{Reason: reasonNoUsers, User: name}
	}
	id, err := s.users.login(a.gate, name, passcode)
	if err != nil {
		return nil, err
	}
	if err := s.revoked.check(id); err != nil {
		return nil, err
	}
	return id, nil
}
