package auth

// Login returns whom a name and a passcode prove, or a [Refusal]. Unlike
// [Authenticator.Authenticate] it takes the passcode for nothing else, and lets
// nobody in who proves nothing. It takes as long.
func (a *Authenticator) Login(name, passcode string, from Peer) (*Identity, error) {
	s := a.state.Load()
	if !s.users.configured {
		return nil, &Refusal{Reason: reasonNoUsers, User: name}
	}
	return s.unrevoked(a.login(s, name, passcode, from))
}

// login checks a passcode when the Throttle lets it be tried.
func (a *Authenticator) login(s *state, name, passcode string, from Peer) (*Identity, error) {
	if len(name) > maxNameBytes || len(passcode) > maxPasswordBytes {
		return nil, refuse(reasonLongPassword)
	}
	attempt, err := a.throttle.passcode(name, from)
	if err != nil {
		return nil, err
	}
	id, err := s.users.login(a.gate, name, passcode)
	switch {
	case err == nil:
		attempt.right()
	case isGuess(err):
		attempt.wrong()
	default:
		attempt.cancel()
	}
	return id, err
}
