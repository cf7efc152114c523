package auth

import "testing"

// An issuer cannot make anybody a static user, unless that is wanted.
func TestStaticNames(t *testing.T) {
	o := Options{JWT: tokenOptions(t), Users: []User{{Name: "relay", Hash: cheapBcrypt("x")}}, clock: newHandClock()}
	a := start(t, o)
	relay, anna := forge(rsHeader, with("sub", "relay"), rs256(testRSA())), forge(rsHeader, with(), rs256(testRSA()))
	_, err := a.Authenticate(Request{Authorization: "Bearer " + relay})
	wantRefused(t, err, reasonStatic)
	if r := err.(*Refusal); r.Detail != `sub is "relay"; auth.jwt.static_names: true accepts it` || r.User != "relay" || isGuess(err) {
		t.Errorf("got %+v", r)
	}
	_, err = a.Verify(relay)
	wantRefused(t, err, reasonStatic)
	id := standing(t)(a.Verify(anna))
	allowed := o
	allowed.JWT = tokenOptions(t)
	allowed.JWT.StaticNames = true
	if err := a.Reload(t.Context(), allowed); err != nil {
		t.Fatal(err)
	}
	impostor := standing(t)(a.Verify(relay))
	if err := a.Reload(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	if a.Revoked(id) || !a.Revoked(impostor) {
		t.Error("the session of a token with a static name goes on, or another ends")
	}
}
