// Package docs has the tests that hold the pages of this tree to what is true
// of it: their links, and the words and alerts that they have to explain. Tests
// of other packages take the pages from it.
package docs
