package auth

// Login returns the identity of a name and a passcode, or a [Refusal]. Unlike
// [Authenticator.Authenticate] it never reads the passcode as a token, and
// never admits anonymous clients. It takes as long.
func (a *Authenticator) Login(name, passcode string, from Peer) (*Identity, error) {
	s := a.state.Load()
	if !s.users.configured {
		return nil, &Refusal{Reason: reasonNoUsers, User: name}
	}
	return s.unrevoked(a.login(s, from, Reading{name, passcode}))
}

// login checks a passcode when the Throttle lets it be tried. All readings
// together are one attempt, for the user of the last one.
func (a *Authenticator) login(s *state, from Peer, readings ...Reading) (id *Identity, err error) {
	for _, r := range readings {
		if len(r.Login) > maxNameBytes || len(r.Passcode) > maxPasswordBytes {
			return nil, refuse(reasonLongPassword)
		}
	}
	attempt, err := a.throttle.passcode(readings[len(readings)-1].Login, from)
	if err != nil {
		return nil, err
	}
	for _, r := range readings {
		if id, err = s.users.login(a.gate, r.Login, r.Passcode); err == nil || !isGuess(err) {
			break
		}
	}
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
