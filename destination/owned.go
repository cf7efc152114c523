package destination

import "strings"

// This file has the destinations that belong to a user or a connection. A NUL
// separates the owner from the name. Headers cannot contain a NUL, so no client
// can write a name in another owner's space.

const durableSpace = "/subscription/"

// userKinds may follow a user's name. Both kinds reach all connections of the
// user; they are independent destinations.
var userKinds = [...]string{"queue/", "topic/"}

func userSpace(user, kind string) string { return UserPrefix + user + "\x00/" + kind }
func tempSpace(connection string) string { return TempPrefix + connection + "\x00" }

// sendToUser parses /user/USER/queue/NAME and /user/USER/topic/NAME.
func sendToUser(text string) (Destination, error) {
	user, rest, _ := strings.Cut(text[len(UserPrefix):], "/")
	if user == "" {
		return Destination{}, unusable("The destination %q names no user; send to /user/{user}/queue/NAME or /user/{user}/topic/NAME.", text)
	}
	for _, kind := range userKinds {
		if name, ok := strings.CutPrefix(rest, kind); ok {
			return finish(User, userSpace(DecodeUser(user), kind), name, text, noPattern)
		}
	}
	return Destination{}, unusable("A SEND to %q reaches nobody; send to /user/{user}/queue/NAME or /user/{user}/topic/NAME.", text)
}

// Owner returns the user of a destination of Kind User, and the part after the
// user's name, for example /queue/news.
func (d Destination) Owner() (user, rest string) {
	user, rest, _ = strings.Cut(strings.TrimPrefix(d.key, UserPrefix), "\x00")
	return user, rest
}

// DurableSubscription returns the destination of a durable subscription's
// queue. clientID, which may be empty, distinguishes the programs of one user.
// Different users never share a durable subscription.
func DurableSubscription(user, clientID, name string) Destination {
	space := durableSpace + user + "\x00" + clientID + "\x00"
	return Destination{Kind: Durable, key: space + name, spaceSize: len(space), text: name}
}

// Subscriber returns the owner and the name of a durable subscription.
func (d Destination) Subscriber() (user, clientID, name string) {
	user, clientID, _ = strings.Cut(strings.TrimPrefix(d.Space(), durableSpace), "\x00")
	return user, strings.TrimSuffix(clientID, "\x00"), d.Name()
}

// ReplyTo returns the value of the reply-to header for a sender that wrote
// /temp-queue/NAME. Every client that knows this value may SEND to it.
func ReplyTo(d Destination) string {
	owner := strings.TrimSuffix(strings.TrimPrefix(d.Space(), TempPrefix), "\x00")
	return ReplyPrefix + owner + "." + d.Name()
}
