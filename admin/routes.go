package admin

import (
	"io"
	"net/http"
	"strings"
)

const apiPrefix = "/api/v1/"

// A right is what a path takes.
type right uint8

const (
	nothing right = iota // everybody who can connect
	proof                // whoever proves who he is
	reading              // admin:read
	writing              // admin:write
)

// A route is what one method does at one path.
type route struct {
	needs  right
	handle func(c *call) error
	heavy  bool // it may take memory or time
}

// A path has a route for each method that it takes: GET, which means HEAD as
// well, or POST, or both.
type path map[string]route

// allow is the header of that name.
func (p path) allow() string {
	var all []string
	if _, ok := p[http.MethodGet]; ok {
		all = append(all, http.MethodGet, http.MethodHead)
	}
	if _, ok := p[http.MethodPost]; ok {
		all = append(all, http.MethodPost)
	}
	return strings.Join(all, ", ")
}

// route finds that of a method.
func (p path) route(method string) (route, bool) {
	if method == http.MethodHead {
		method = http.MethodGet
	}
	to, ok := p[method]
	return to, ok
}

// A call is one request of somebody who may make it.
type call struct {
	w  http.ResponseWriter
	r  *http.Request
	by caller

	body   []byte // of a POST, at most longestBody of it
	failed error  // why there is no more of it
}

// receive reads the body before it is the request's turn, so that who sends it
// slowly takes nobody else's.
func (c *call) receive() {
	c.body, c.failed = io.ReadAll(http.MaxBytesReader(c.w, c.r.Body, longestBody))
}

// table is all paths. The names of queues, connections and users are never
// part of one.
func (s *server) table() map[string]path {
	all := map[string]path{"/healthz": {http.MethodGet: {handle: s.health}}, "/readyz": {http.MethodGet: {handle: s.ready}}}
	for name, p := range map[string]path{
		"openapi.json":       {http.MethodGet: {needs: nothing, handle: s.openAPI}},
		"me":                 {http.MethodGet: {needs: proof, handle: s.me}},
		"overview":           {http.MethodGet: {needs: reading, handle: s.overview}},
		"connections":        {http.MethodGet: {needs: reading, handle: s.connections}},
		"connection":         {http.MethodGet: {needs: reading, handle: s.connection}},
		"connection/close":   {http.MethodPost: {needs: writing, handle: s.closeConnection}},
		"subscriptions":      {http.MethodGet: {needs: reading, handle: s.subscriptions}},
		"users":              {http.MethodGet: {needs: reading, handle: s.users}},
		"topics":             {http.MethodGet: {needs: reading, handle: s.topics}},
		"queues":             {http.MethodGet: {needs: reading, handle: s.queues}},
		"queue":              {http.MethodGet: {needs: reading, handle: s.queue}},
		"queue/messages":     {http.MethodGet: {needs: reading, handle: s.browse, heavy: true}},
		"queue/create":       {http.MethodPost: {needs: writing, handle: s.create}},
		"queue/purge":        {http.MethodPost: {needs: writing, handle: s.purge, heavy: true}},
		"queue/move":         {http.MethodPost: {needs: writing, handle: s.move, heavy: true}},
		"queue/delete":       {http.MethodPost: {needs: writing, handle: s.remove, heavy: true}},
		"policies":           {http.MethodGet: {needs: reading, handle: s.policies}},
		"policy":             {http.MethodGet: {needs: reading, handle: s.policy}},
		"acl/explain":        {http.MethodPost: {needs: reading, handle: s.explain}},
		"revocations":        {http.MethodGet: {needs: reading, handle: s.revocations}},
		"revocations/add":    {http.MethodPost: {needs: writing, handle: s.revoke}},
		"revocations/remove": {http.MethodPost: {needs: writing, handle: s.unrevoke}},
		"config":             {http.MethodGet: {needs: reading, handle: s.config}},
		"log":                {http.MethodGet: {needs: reading, handle: s.logLevel}, http.MethodPost: {needs: writing, handle: s.setLogLevel}},
		"drain":              {http.MethodPost: {needs: writing, handle: s.drain}},
		"store/backup":       {http.MethodPost: {needs: writing, handle: s.backup, heavy: true}},
	} {
		all[apiPrefix+name] = p
	}
	return all
}
