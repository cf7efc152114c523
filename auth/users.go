package auth

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"time"
)

// A User is a static user: a service, or somebody in a test.
type User struct {
	Name  string
	Hash  string // of the password, as [HashPassword] makes it
	Roles []string
}

// readUsers reads a users file. Each line is name:hash:role1,role2, where the
// roles and the colon before them may be left out. Empty lines and those that
// begin with # say nothing.
func readUsers(path string) ([]User, error) {
	data, err := readFile(path, maxListFile)
	if err != nil {
		return nil, err
	}
	var users []User
	var faults []error
	for number, line := range lines(data) {
		u, err := parseUser(line)
		if err != nil {
			faults = append(faults, fmt.Errorf("%s: line %d: %w", path, number, err))
			continue
		}
		users = append(users, u)
	}
	return users, errors.Join(faults...)
}

func parseUser(line string) (User, error) {
	name, rest, ok := strings.Cut(line, ":")
	if !ok {
		return User{}, errors.New("expected name:hash:role1,role2")
	}
	hash, roles, _ := strings.Cut(rest, ":")
	u := User{Name: strings.TrimSpace(name), Hash: strings.TrimSpace(hash)}
	for role := range strings.SplitSeq(roles, ",") {
		if role = strings.TrimSpace(role); role != "" {
			u.Roles = append(u.Roles, role)
		}
	}
	_, err := newAccount(u)
	return u, err
}

// An account is a user that can log in.
type account struct {
	hash  passwordHash
	roles []string
	basis basis // of a client that logs in as this user
}

func newAccount(u User) (account, error) {
	if err := checkName(u.Name); err != nil {
		return account{}, fmt.Errorf("the name of the user: %w", err)
	}
	hash, err := parseHash(u.Hash)
	if err != nil {
		return account{}, err
	}
	for _, role := range u.Roles {
		if err := checkName(role); err != nil {
			return account{}, fmt.Errorf("a role of the user: %w", err)
		}
	}
	roles, err := distinct(u.Roles)
	return account{hash: hash, roles: roles, basis: basis{print: sha256.Sum256([]byte(u.Hash))}}, err
}

// accounts are the static users. They are not changed after they were made.
type accounts struct {
	byName     map[string]account
	configured bool // even if there are none now
	// decoys are hashed in place of unknown users, one for each cost that
	// occurs. Which one is for a name depends on the name and on key, so that
	// an unknown name takes the time of some user each time it is tried.
	decoys []passwordHash
	key    []byte
	proven *proven
}

// newAccounts checks the users of the options and reads the file.
func newAccounts(o Options, key []byte) (accounts, error) {
	a := accounts{byName: map[string]account{}, proven: newProven(), configured: o.UsersFile != "" || len(o.Users) > 0, key: key}
	var faults []error
	users := o.Users
	if o.UsersFile != "" {
		more, err := readUsers(o.UsersFile)
		if err != nil {
			faults = append(faults, fmt.Errorf("auth.users_file: %w", err))
		}
		users = append(users[:len(users):len(users)], more...)
	}
	costs := map[string]bool{}
	for _, u := range users {
		account, err := newAccount(u)
		if err != nil {
			faults = append(faults, fmt.Errorf("auth.users: %.*q: %w", maxNameBytes, u.Name, err))
			continue
		}
		if _, twice := a.byName[u.Name]; twice {
			faults = append(faults, fmt.Errorf("auth.users: %q occurs twice", u.Name))
		}
		a.byName[u.Name] = account
		if cost := account.hash.cost(); !costs[cost] {
			costs[cost] = true
			a.decoys = append(a.decoys, account.hash.decoy())
		}
	}
	if len(a.decoys) == 0 {
		a.decoys = []passwordHash{newArgon().decoy()}
	}
	return a, errors.Join(faults...)
}

// find returns the account of a user, or a decoy.
func (a accounts) find(name string) (found account, known bool) {
	if found, known = a.byName[name]; known {
		return found, true
	}
	mac := hmac.New(sha256.New, a.key)
	mac.Write([]byte(name))
	choice := binary.BigEndian.Uint64(mac.Sum(nil)) % uint64(len(a.decoys))
	return account{hash: a.decoys[choice]}, false
}

// Reasons of logins that are refused.
const (
	reasonNoCredentials = "there are no credentials"
	reasonNoUsers       = "there is no token, and login and passcode are not accepted"
	reasonPassword      = "the login or the passcode is wrong"
	reasonLongPassword  = "the login or the passcode is too long"
	reasonBusy          = "too many clients are logging in"
)

// gateWait is how long a login waits for its turn: less than clients wait for
// CONNECTED, which is from 5 s up.
const gateWait = 4 * time.Second

// A gate lets in as many logins at a time as there are processors, so that a
// flood of them takes neither all memory nor the time of messages for long.
type gate chan struct{}

func (g gate) enter() bool {
	select {
	case g <- struct{}{}:
		return true
	default:
	}
	timer := time.NewTimer(gateWait)
	defer timer.Stop()
	select {
	case g <- struct{}{}:
		return true
	case <-timer.C:
		return false
	}
}

func (g gate) leave() { <-g }

// login checks a password. It takes the same time, and has the same reason,
// for an unknown user as for a wrong password; a right one takes its time once.
func (a accounts) login(g gate, name, password string) (*Identity, error) {
	found, known := a.find(name)
	identity := &Identity{User: name, Roles: found.roles, Method: MethodPassword, basis: found.basis}
	if a.proven.right(name, password) {
		return identity, nil
	}
	if !g.enter() {
		return nil, &Refusal{Reason: reasonBusy, User: name, Busy: true}
	}
	defer g.leave()
	if a.proven.right(name, password) { // another has proven it meanwhile
		return identity, nil
	}
	if right := found.hash.matches(password); !right || !known {
		return nil, &Refusal{Reason: reasonPassword, User: name}
	}
	a.proven.remember(name, password)
	return identity, nil
}
