// Package schemas has tests only: of deploy/compose and deploy/kubernetes, by
// the types of those programs. It is a module of its own, so that nothing of
// Kubernetes is among what hoofbeat depends on.
package schemas
