package auth

import (
	"testing"

	"golang.org/x/crypto/bcrypt"
)

// BenchmarkVerify is the cost of one token, by algorithm.
func BenchmarkVerify(b *testing.B) {
	for _, j := range joseTokens(b) {
		b.Run(j.Alg, func(b *testing.B) {
			a := start(b, Options{JWT: j.optionsFor(b, false)})
			b.ReportAllocs()
			for b.Loop() {
				if _, err := a.Verify(j.Token); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkRefuse is the cost of a token that is wrong in some way.
func BenchmarkRefuse(b *testing.B) {
	a := start(b, Options{JWT: tokenOptions(b)})
	for name, token := range map[string]string{
		"form": "token", "algorithm": forge(`{"alg":"none"}`, with(), unsigned),
		"signature": forge(rsHeader, with(), rs256(otherRSA())), "expired": forge(rsHeader, with("exp", 1), rs256(testRSA())),
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := a.Verify(token); err == nil {
					b.Fatal("accepted")
				}
			}
		})
	}
}

// BenchmarkLogin is the cost of one password, by kind of hash, and of the same
// for a user that there is not.
func BenchmarkLogin(b *testing.B) {
	for name, hash := range map[string]string{
		"bcrypt-10": string(must(bcrypt.GenerateFromPassword([]byte("x"), 10))), "bcrypt-12": must(HashPassword(Bcrypt, "x")),
		"argon2id": must(HashPassword(Argon2id, "x")),
	} {
		a := start(b, Options{Users: []User{{Name: "anna", Hash: hash}}})
		for kind, r := range map[string]Request{
			"right": {Login: "anna", Passcode: "x"}, "wrong": {Login: "anna", Passcode: "y"}, "unknown": {Login: "nobody", Passcode: "x"},
		} {
			b.Run(name+"/"+kind, func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if _, err := a.Authenticate(r); (err == nil) != (kind == "right") {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
