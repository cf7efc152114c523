// Package docs has tests that keep the pages of this tree true: their links,
// error words and alerts. Tests of other packages read the pages through it.
package docs
