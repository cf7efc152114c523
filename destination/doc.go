// Package destination reads destinations: names and patterns, such as
// /topic/news.eu and /topic/news.**, and the prefixes that make topics and
// queues of them.
//
// A name is a list of segments with a dot or a slash between them. The two
// separators mean the same. In a pattern, the segment * matches any one segment
// and ** any number of segments, none included; # and > are other spellings
// of **.
//
// The package is a leaf: broker, auth and config use it, and it knows none of
// them.
package destination
