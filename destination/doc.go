// Package destination parses destinations: names and patterns, for example
// /topic/news.eu and /topic/news.**, and the prefixes of topics and queues.
//
// A name is a list of segments, separated by a dot or a slash; the two mean the
// same. In a pattern, the segment * matches exactly one segment, and ** any
// number of segments, including none; # and > are other spellings of **.
//
// Broker, auth and config use the package. It imports none of them.
package destination
