package config

import (
	"fmt"
	"testing"
)

func TestRelations(t *testing.T) {
	for _, tt := range []struct {
		name, yaml string
		want       []string
	}{
		{"no listener", "listen: { websocket: { address: '' } }", []string{
			`listen.websocket.address: "" (hoofbeat.yaml): expected an address here or at listen.tcp.address, as nothing would be listened on`}},
		{"tcp alone", "listen: { websocket: { address: '' }, tcp: { address: '127.0.0.1:61613' } }", nil},
		{"one address twice", "listen: { tcp: { address: '127.0.0.1:15674' } }", []string{
			`listen.tcp.address: "127.0.0.1:15674" (hoofbeat.yaml): expected another address than that of listen.websocket.address`}},
		{"one address, two spellings", "listen: { websocket: { address: ':015674' }, tcp: { address: '[::]:15674' } }", []string{
			`listen.tcp.address: "[::]:15674" (hoofbeat.yaml): expected another address than that of listen.websocket.address`}},
		{"port 0 twice", "listen: { websocket: { address: ':0' }, tcp: { address: ':0' } }", nil},
		{"two hosts", "listen: { websocket: { address: 'a:1' }, tcp: { address: 'b:1' } }", nil},
		{"frames", "limits: { frame_bytes_before_connect: 3KiB, frame_header_bytes: 1KiB, frame_body_bytes: 1KiB }", []string{
			`limits.frame_bytes_before_connect: "3KiB" (hoofbeat.yaml): expected at most limits.frame_header_bytes and limits.frame_body_bytes together`}},
		{"frames that just fit", "limits: { frame_bytes_before_connect: 2KiB, frame_header_bytes: 1KiB, frame_body_bytes: 1KiB }", nil},
		{"largest frames", "limits: { frame_header_bytes: 9223372036854775807, frame_body_bytes: 9223372036854775807 }", nil},
		{"heartbeat", "heartbeat: { min: 11s }", []string{
			`heartbeat.min: "11s" (hoofbeat.yaml): expected at most heartbeat.server, which is 10s`}},
		{"heartbeat equal", "heartbeat: { min: 10s }", nil},
		{"no prefixes", "prefixes: { topic: [], queue: [] }", []string{
			`prefixes.topic: [] (hoofbeat.yaml): expected a prefix here or at prefixes.queue, as no destination would mean anything`}},
		{"only queues", "prefixes: { topic: [] }", nil},
		{"prefix of another", "prefixes: { topic: [/a/], queue: [/a/b/, /c/, /c/] }", []string{
			`prefixes.queue: "/a/b/" (hoofbeat.yaml): expected no prefix of another; it and "/a/" overlap`,
			`prefixes.queue: "/c/" (hoofbeat.yaml): expected no prefix of another; it and "/c/" overlap`}},
		{"prefix within a list", "prefixes: { topic: [/a/b/, /a/] }", []string{
			`prefixes.topic: "/a/" (hoofbeat.yaml): expected no prefix of another; it and "/a/b/" overlap`}},
		{"not after another fault", "heartbeat: { min: 11s, server: ten }", []string{
			`heartbeat.server: "ten" (hoofbeat.yaml): expected a duration such as 10s`}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			trial{text: open + tt.yaml}.wantFaults(t, tt.want...)
		})
	}
}

func TestAnonymousInFile(t *testing.T) {
	const refused = "no client could connect; expected true, as no other way to authenticate exists in this version"
	trial{text: "log: { level: info }"}.wantFaults(t, "auth.anonymous: false (default): "+refused)
	trial{text: "auth: { anonymous: false }"}.wantFaults(t, "auth.anonymous: false (hoofbeat.yaml): "+refused)
	trial{text: "", environ: []string{"HOOFBEAT_AUTH_ANONYMOUS=true"}}.wantFaults(t)
	trial{text: open, flags: []string{"--auth-anonymous=false"}}.wantFaults(t,
		`auth.anonymous: "false" (flag --auth-anonymous): `+refused)
	trial{text: open + "listen: { websocket: { address: ':80' } }"}.wantFaults(t)
}

// TestAnonymousWithoutFile allows the default on loopback only.
func TestAnonymousWithoutFile(t *testing.T) {
	for address, good := range map[string]bool{
		"127.0.0.1:1": true, "127.9.9.9:1": true, "[::1]:1": true, "LocalHost:1": true, "[::ffff:127.0.0.1]:1": true,
		":1": false, "0.0.0.0:1": false, "[::]:1": false, "192.0.2.1:1": false, "example.com:1": false,
	} {
		for _, listener := range []string{"WEBSOCKET", "TCP"} {
			environ := []string{"HOOFBEAT_LISTEN_" + listener + "_ADDRESS=" + address}
			_, err := Load(Options{Search: []string{}, Environ: environ})
			want := fmt.Sprintf("auth.anonymous: true (default): anonymous access on %s, which is not loopback; "+
				"expected auth.anonymous to be set to true on purpose, or a loopback address", address)
			if good && err != nil || !good && (err == nil || err.Error() != want) {
				t.Errorf("%s: %v", environ[0], err)
			}
			_, err = Load(Options{Search: []string{}, Environ: append(environ, "HOOFBEAT_AUTH_ANONYMOUS=true")})
			if err != nil {
				t.Errorf("%s on purpose: %v", environ[0], err)
			}
		}
	}
}
