package admin

import (
	"net/url"
	"strings"

	"hoofbeat/destination"
)

// subscriptionPrefix begins the names of durable subscriptions:
// /subscription/USER/CLIENT-ID/NAME, with each part escaped as in a URL, so
// that a slash in it is %2F. No client's destination begins with it.
const subscriptionPrefix = "/subscription/"

// Name returns the name of a queue in the API.
func Name(d destination.Destination) string {
	if d.Kind != destination.Durable {
		return d.String()
	}
	user, client, name := d.Subscriber()
	return subscriptionPrefix + url.PathEscape(user) + "/" + url.PathEscape(client) + "/" + url.PathEscape(name)
}

// topicName returns the name of a topic or pattern in the API. For a user's
// topic, it is the destination to which others SEND.
func topicName(d destination.Destination) string {
	if d.Kind != destination.User {
		return d.String()
	}
	user, rest := d.Owner()
	return destination.UserPrefix + strings.ReplaceAll(user, "/", "%2F") + rest
}

// queueNamed is the inverse of Name.
func (s *server) queueNamed(name string) (destination.Destination, error) {
	if rest, ok := strings.CutPrefix(name, subscriptionPrefix); ok {
		return subscription(rest)
	}
	d, err := s.o.Namespace.ForSend(name, destination.Owner{})
	if err != nil {
		return d, badRequest("%v", err)
	}
	if d.Kind != destination.Queue {
		return d, badRequest("%q is not the name of a queue; those begin with %s or %s", name, strings.Join(s.o.Namespace.Queues, ", "), subscriptionPrefix)
	}
	return d, nil
}

func subscription(rest string) (destination.Destination, error) {
	var parts [3]string
	split := strings.Split(rest, "/")
	if len(split) != len(parts) {
		return destination.Destination{}, badRequest("expected %sUSER/CLIENT-ID/NAME, with a slash within them written as %%2F", subscriptionPrefix)
	}
	for i, p := range split {
		var err error
		if parts[i], err = url.PathUnescape(p); err != nil || strings.ContainsRune(parts[i], 0) {
			return destination.Destination{}, badRequest("%q cannot be read as part of a name", p)
		}
	}
	return destination.DurableSubscription(parts[0], parts[1], parts[2]), nil
}
