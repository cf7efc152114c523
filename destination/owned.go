package destination

import "strings"

// This file has the destinations that belong to a user or a connection. A NUL,
// which no frame's header can hold, separates the owner from the name, so that
// no client can write a name that reaches into another owner's space.

const durableSpace = "/subscription/"

// userKinds may follow a user's name. Both reach all connections of the user,
// and are independent of each other.
var userKinds = [...]string{"queue/", "topic/"}

func userSpace(user, kind string) string { return UserPrefix + user + "\x00/" + kind }
func tempSpace(connection string) string { return TempPrefix + connection + "\x00" }

// sendToUser reads /user/USER/queue/NAME and /user/USER/topic/NAME.
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

// Owner returns the user that a destination of Kind User belongs to, and the
// part behind the user's name, such as /queue/news.
func (d Destination) Owner() (user, rest string) {
	user, rest, _ = strings.Cut(strings.TrimPrefix(d.key, UserPrefix), "\x00")
	return user, rest
}

// DurableSubscription is the destination of a durable subscription's queue.
// The client-id of the connection, which may be empty, tells the programs of
// one user apart. Different users never share a durable subscription.
func DurableSubscription(user, clientID, name string) Destination {
	space := durableSpace + user + "\x00" + clientID + "\x00"
	return Destination{Kind: Durable, key: space + name, spaceSize: len(space), text: name}
}

// Subscriber returns the owner and the name of a durable subscription.
func (d Destination) Subscriber() (user, clientID, name string) {
	user, clientID, _ = strings.Cut(strings.TrimPrefix(d.Space(), durableSpace), "\x00")
	return user, strings.TrimSuffix(clientID, "\x00"), d.Name()
}

// ReplyTo returns the text that stands in the reply-to header of a message
// whose sender wrote /temp-queue/NAME. Every client that was told it may SEND
// to it.
func ReplyTo(d Destination) string {
	owner := strings.TrimSuffix(strings.TrimPrefix(d.Space(), TempPrefix), "\x00")
	return ReplyPrefix + owner + "." + d.Name()
}
