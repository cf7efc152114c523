// Package deploy holds tests only: of releases, packages, images, and the files
// in deploy/.
package deploy
