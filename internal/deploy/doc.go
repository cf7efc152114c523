// Package deploy has tests only: of releases, packages, images, and what is in
// deploy/.
package deploy
