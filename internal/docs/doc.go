// Package docs has the tests that hold the pages of this tree to what is true
// of it: their links, and the words, alerts and commands that they have to
// explain.
package docs
