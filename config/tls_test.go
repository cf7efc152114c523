package config

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// writePair writes NAME.crt and NAME.key into the working directory.
func writePair(t *testing.T, name string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	writePEM(t, name+".crt", "CERTIFICATE", cert)
	writePEM(t, name+".key", "PRIVATE KEY", der)
}

func writePEM(t *testing.T, path, kind string, der []byte) {
	t.Helper()
	writeFile(t, path, string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})))
}

func TestTLSFiles(t *testing.T) {
	t.Chdir(t.TempDir())
	writePair(t, "a")
	writePair(t, "b")
	writePEM(t, "bad.crt", "CERTIFICATE", []byte("no"))
	writePEM(t, "bad.key", "PRIVATE KEY", []byte("no"))
	writeFile(t, "text", "hello")
	if err := os.Mkdir("dir", 0o700); err != nil {
		t.Fatal(err)
	}
	const (
		cert     = "listen.websocket.tls.cert: "
		key      = "listen.websocket.tls.key: "
		ca       = "listen.websocket.tls.client_ca: "
		file     = " (hoofbeat.yaml): "
		wantCert = file + "expected a PEM file with a certificate"
		wantKey  = file + "expected a PEM file with a private key"
	)
	for _, tt := range []struct {
		yaml string
		want []string
	}{
		{"cert: a.crt, key: a.key", nil},
		{"cert: a.crt, key: a.key, client_ca: b.crt", nil},
		{"cert: a.crt", []string{key + `"" (default): expected a file, as listen.websocket.tls.cert is set`}},
		{"key: a.key", []string{cert + `"" (default): expected a file, as listen.websocket.tls.key is set`}},
		{"client_ca: b.crt", []string{ca + `"b.crt"` + file + "expected listen.websocket.tls.cert and listen.websocket.tls.key to be set with it"}},
		{"cert: none, key: dir, client_ca: text", []string{
			cert + `"none"` + file + "expected a file that can be read: no such file or directory",
			ca + `"text"` + wantCert,
			key + `"dir"` + file + "expected a file that can be read: is a directory",
		}},
		{"cert: a.key, key: a.crt", []string{cert + `"a.key"` + wantCert, key + `"a.crt"` + wantKey}},
		{"cert: bad.crt, key: a.key", []string{cert + `"bad.crt"` + wantCert}},
		{"cert: a.crt, key: b.key", []string{key + `"b.key"` + file +
			"expected the private key of listen.websocket.tls.cert: tls: private key does not match public key"}},
		{"cert: a.crt, key: bad.key", []string{key + `"bad.key"` + file +
			"expected the private key of listen.websocket.tls.cert: tls: failed to parse private key"}},
		{"cert: 5", []string{cert + "5" + file + "expected a string"}},
	} {
		t.Run(tt.yaml, func(t *testing.T) {
			trial{text: open + "listen: { websocket: { tls: { " + tt.yaml + " } } }"}.wantFaults(t, tt.want...)
		})
	}
}

func TestTLSOfTCP(t *testing.T) {
	dir := t.TempDir()
	absent := filepath.Join(dir, "absent")
	trial{text: open, flags: []string{"--listen-tcp-tls-cert=" + absent}}.wantFaults(t,
		`listen.tcp.tls.cert: "`+absent+`" (flag --listen-tcp-tls-cert): expected a file that can be read: no such file or directory`,
		`listen.tcp.tls.key: "" (default): expected a file, as listen.tcp.tls.cert is set`)
}
