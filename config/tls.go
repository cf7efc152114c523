package config

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"os"
	"strings"
)

// checkTLS reads the files of one listener, even if the listener is off.
func (l *loader) checkTLS(section string, t TLS) {
	cert, key, ca := section+".cert", section+".key", section+".client_ca"
	if !l.sound(cert, key, ca) {
		return
	}
	switch {
	case t.Cert != "" && t.Key == "":
		l.blame(key, "expected a file, as "+cert+" is set")
	case t.Cert == "" && t.Key != "":
		l.blame(cert, "expected a file, as "+key+" is set")
	case t.Cert == "" && t.ClientCA != "":
		l.blame(ca, "expected "+cert+" and "+key+" to be set with it")
	}
	certPEM := l.readPEM(cert, t.Cert, isCertificate, "expected a PEM file with a certificate")
	keyPEM := l.readPEM(key, t.Key, isPrivateKey, "expected a PEM file with a private key")
	l.readPEM(ca, t.ClientCA, isCertificate, "expected a PEM file with a certificate")
	if certPEM == nil || keyPEM == nil {
		return
	}
	if _, err := tls.X509KeyPair(certPEM, keyPEM); err != nil {
		l.blame(key, "expected the private key of "+cert+": "+err.Error())
	}
}

// readPEM returns the content of a file with at least one fitting block, all of
// which are good. It returns nil after a fault, and if no file is named.
func (l *loader) readPEM(key, path string, good func(*pem.Block) (fits, ok bool), expected string) []byte {
	if path == "" {
		return nil
	}
	data, err := os.ReadFile(path)
	if err != nil {
		l.blame(key, "expected a file that can be read: "+reason(err))
		return nil
	}
	if !allGood(data, good) {
		l.blame(key, expected)
		return nil
	}
	return data
}

func allGood(data []byte, good func(*pem.Block) (fits, ok bool)) bool {
	some := false
	for {
		block, rest := pem.Decode(data)
		if block == nil {
			return some
		}
		fits, ok := good(block)
		if fits && !ok {
			return false
		}
		some = some || fits
		data = rest
	}
}

func isCertificate(block *pem.Block) (fits, ok bool) {
	if block.Type != "CERTIFICATE" {
		return false, false
	}
	_, err := x509.ParseCertificate(block.Bytes)
	return true, err == nil
}

// isPrivateKey does not check the content; the comparison with the certificate
// does.
func isPrivateKey(block *pem.Block) (fits, ok bool) {
	return strings.HasSuffix(block.Type, "PRIVATE KEY"), true
}
