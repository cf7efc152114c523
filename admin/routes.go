package admin

import (
	"io"
	"net/http"
	"strings"
)

const apiPrefix = "/api/v1/"

// A right is the right that a path requires.
type right uint8

const (
	nothing right = iota // none: everybody who can connect
	proof                // any authenticated caller
	reading              // admin:read
	writing              // admin:write
)

// A route handles one method of one path.
type route struct {
	needs  right
	handle func(c *call) error
	heavy  bool // may take memory or time
}

// A path has a route for each of its methods: GET, which includes HEAD, or
// POST, or both.
type path map[string]route

// allow returns the value of the Allow header.
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

// route returns the route of a method.
func (p path) route(method string) (route, bool) {
	if method == http.MethodHead {
		method = http.MethodGet
	}
	to, ok := p[method]
	return to, ok
}

// A call is one admitted request.
type call struct {
	w  http.ResponseWriter
	r  *http.Request
	by caller

	body   []byte // of a POST; at most longestBody bytes
	failed error  // error of reading the body
}

// receive reads the body before the request takes its turn, so that slow
// senders do not block others.
func (c *call) receive() {
	c.body, c.failed = io.ReadAll(http.MaxBytesReader(c.w, c.r.Body, longestBody))
}

// table returns all paths. Names of queues, connections and users are never
// part of a path.
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
		"user":               {http.MethodGet: {needs: reading, handle: s.user}},
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
