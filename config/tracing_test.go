package config

import (
	"fmt"
	"net/http"
	"reflect"
	"strings"
	"testing"
)

func TestTracing(t *testing.T) {
	const (
		at       = "tracing: { endpoint: 'http://127.0.0.1:4318' }\n"
		url      = "expected an http or https URL with a host, such as http://127.0.0.1:4318"
		user     = url + ", without a user or password"
		query    = url + ", without a query; what the receiver wants to know goes into tracing.headers"
		header   = `tracing.headers: ******** (hoofbeat.yaml): expected name: value, such as Authorization: Bearer abc`
		taken    = `tracing.headers: ******** (hoofbeat.yaml): expected a header that the request does not have by itself`
		fraction = "expected a number from 0 to 1"
		alone    = "expected tracing.endpoint beside it; without, there are no traces"
	)
	for _, tt := range []struct {
		name, yaml string
		want       []string
	}{
		{"nothing", "", nil},
		{"a receiver", at, nil},
		{"with a path", "tracing: { endpoint: 'https://traces.example.com/otlp/v1/traces' }", nil},
		{"by IPv6", "tracing: { endpoint: 'http://[::1]:4318/' }", nil},
		{"no scheme", "tracing: { endpoint: '127.0.0.1:4318' }", []string{`tracing.endpoint: ******** (hoofbeat.yaml): ` + url}},
		{"gRPC", "tracing: { endpoint: 'grpc://a:4317' }", []string{`tracing.endpoint: "grpc://a:4317" (hoofbeat.yaml): ` + url}},
		{"no host", "tracing: { endpoint: 'http://:4318' }", []string{`tracing.endpoint: "http://:4318" (hoofbeat.yaml): ` + url}},
		{"a port that is none", "tracing: { endpoint: 'http://a:65536' }", []string{`tracing.endpoint: "http://a:65536" (hoofbeat.yaml): ` + url}},
		{"a fragment", "tracing: { endpoint: 'http://a/#b' }", []string{`tracing.endpoint: "http://a/#b" (hoofbeat.yaml): ` + url}},
		{"a password", "tracing: { endpoint: 'http://a:hush@b' }", []string{`tracing.endpoint: ******** (hoofbeat.yaml): ` + user}},
		{"a key", "tracing: { endpoint: 'http://b/?key=hush' }", []string{`tracing.endpoint: ******** (hoofbeat.yaml): ` + query}},
		{"all", "tracing: { endpoint: 'http://a', sample_ratio: 1 }", nil},
		{"some", "tracing: { endpoint: 'http://a', sample_ratio: 0.01 }", nil},
		{"more than all", "tracing: { endpoint: 'http://a', sample_ratio: 1.1 }", []string{`tracing.sample_ratio: 1.1 (hoofbeat.yaml): ` + fraction}},
		{"less than none", "tracing: { endpoint: 'http://a', sample_ratio: -0.5 }", []string{`tracing.sample_ratio: -0.5 (hoofbeat.yaml): ` + fraction}},
		{"no number", "tracing: { endpoint: 'http://a', sample_ratio: some }", []string{`tracing.sample_ratio: "some" (hoofbeat.yaml): expected a number such as 1.5`}},
		{"headers", "tracing: { endpoint: 'http://a', headers: ['Authorization: Bearer hush', 'x-tenant:a'] }", nil},
		{"no receiver", "tracing: { sample_ratio: 0.5, headers: ['a: hush'] }", []string{
			`tracing.headers: ******** (hoofbeat.yaml): ` + alone, `tracing.sample_ratio: 0.5 (hoofbeat.yaml): ` + alone}},
		{"a wrong receiver", "tracing: { endpoint: 'ftp://a', sample_ratio: 0.5 }", []string{`tracing.endpoint: "ftp://a" (hoofbeat.yaml): ` + url}},
		{"no header", at[:len(at)-2] + ", headers: ['hush'] }", []string{header}},
		{"no name", at[:len(at)-2] + ", headers: [': hush'] }", []string{header}},
		{"no value", at[:len(at)-2] + ", headers: ['hush: '] }", []string{header}},
		{"two lines", at[:len(at)-2] + ", headers: [\"a: hush\\r\\nb: c\"] }", []string{header}},
		{"a comma", at[:len(at)-2] + ", headers: ['a: hush,hush'] }", []string{header + ", without a comma"}},
		{"somebody's header", at[:len(at)-2] + ", headers: ['HOST: hush'] }", []string{taken}},
		{"no list", at[:len(at)-2] + ", headers: hush }", []string{`tracing.headers: ******** (hoofbeat.yaml): expected a list of strings`}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if strings.Contains(strings.Join(tt.want, "\n"), "hush") {
				t.Fatal("a fault shows a secret")
			}
			trial{text: open + tt.yaml}.wantFaults(t, tt.want...)
		})
	}
}

func TestTracingHeaders(t *testing.T) {
	c := trial{text: open, environ: []string{"HOOFBEAT_TRACING_ENDPOINT=http://a", "HOOFBEAT_TRACING_HEADERS=Authorization: Bearer hush:hush, x-a:1 ,x-a: 2"}}.mustLoad(t)
	want := http.Header{"Authorization": {"Bearer hush:hush"}, "X-A": {"1", "2"}}
	if got := c.Tracing.Header(); !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if s := settings(c)["tracing.headers"]; s.Value != masked {
		t.Errorf("%+v", s)
	}
	if text := fmt.Sprintf("%v %+v %#v", c.Tracing, c.Tracing, c.Tracing); strings.Contains(text, "hush") {
		t.Errorf("it prints as %s", text)
	}
	if s := settings(trial{text: open}.mustLoad(t))["tracing.headers"]; s.Value != "" {
		t.Errorf("no headers are shown as %+v", s)
	}
}
