// Package schemas holds tests only: of deploy/compose and deploy/kubernetes,
// with the types of Compose and Kubernetes. It is a separate module, so that
// these are no dependencies of hoofbeat.
package schemas
