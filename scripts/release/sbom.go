package main

import (
	"bytes"
	"crypto/sha1" //nolint:gosec // UUIDs of version 5 need it
	"crypto/sha256"
	"debug/buildinfo"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	cdx "github.com/CycloneDX/cyclonedx-go"
)

// embedded are the npm packages with unchanged files in the binary: the vendor
// folders of the console and of examples/browser.
var embedded = []string{"@stomp/stompjs", "htm", "preact"}

// A source is the input of a bill of materials.
type source struct {
	binary, version, lock string
	date                  time.Time
}

// writeBill writes a CycloneDX document of the modules that the Go linker has
// recorded in a binary, and of the embedded packages.
func writeBill(out string, s source) error {
	bill, err := s.bill()
	if err != nil {
		return err
	}
	var text bytes.Buffer
	if err := cdx.NewBOMEncoder(&text, cdx.BOMFileFormatJSON).SetPretty(true).EncodeVersion(bill, cdx.SpecVersion1_6); err != nil {
		return err
	}
	return os.WriteFile(out, text.Bytes(), 0o644)
}

func (s source) bill() (*cdx.BOM, error) {
	content, err := os.ReadFile(s.binary)
	if err != nil {
		return nil, err
	}
	info, err := buildinfo.Read(bytes.NewReader(content))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", s.binary, err)
	}
	if s.version == "" {
		return nil, errors.New("-version is missing")
	}
	scripts, err := npmComponents(s.lock)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(content)
	own := s.program(info, sum[:])
	parts := append(goComponents(info), scripts...)
	slices.SortFunc(parts, func(a, b cdx.Component) int { return strings.Compare(a.BOMRef, b.BOMRef) })
	needs := cdx.Dependency{Ref: own.BOMRef, Dependencies: &[]string{}}
	for _, p := range parts {
		*needs.Dependencies = append(*needs.Dependencies, p.BOMRef)
	}
	bill := cdx.NewBOM()
	bill.SerialNumber = serial(sum[:])
	bill.Metadata = &cdx.Metadata{Timestamp: s.date.Format(time.RFC3339), Component: &own}
	bill.Components = &parts
	bill.Dependencies = &[]cdx.Dependency{needs}
	return bill, nil
}

// program describes the binary itself.
func (s source) program(info *debug.BuildInfo, sum []byte) cdx.Component {
	purl := "pkg:golang/hoofbeat@" + s.version
	var settings []cdx.Property
	for _, set := range info.Settings {
		switch set.Key {
		case "GOOS", "GOARCH", "GOAMD64", "GOARM64", "CGO_ENABLED", "-trimpath":
			settings = append(settings, cdx.Property{Name: "go:build:" + set.Key, Value: set.Value})
		}
	}
	return cdx.Component{
		BOMRef: purl, Type: cdx.ComponentTypeApplication, Name: "hoofbeat", Version: s.version, PackageURL: purl,
		Licenses: &cdx.Licenses{{License: &cdx.License{ID: "Apache-2.0"}}},
		Hashes:   &[]cdx.Hash{{Algorithm: cdx.HashAlgoSHA256, Value: hex.EncodeToString(sum)}}, Properties: &settings,
	}
}

// goComponents describes the modules and the standard library.
func goComponents(info *debug.BuildInfo) []cdx.Component {
	std := strings.TrimPrefix(info.GoVersion, "go")
	parts := []cdx.Component{library("pkg:golang/std@"+std, "std", std)}
	for _, m := range info.Deps {
		if m.Replace != nil {
			m = m.Replace
		}
		c := library("pkg:golang/"+m.Path+"@"+m.Version, m.Path, m.Version)
		// The h1: hash of go.sum is SHA-256 over the names and hashes of a
		// module's files.
		if sum, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(m.Sum, "h1:")); err == nil && len(sum) == sha256.Size {
			c.Hashes = &[]cdx.Hash{{Algorithm: cdx.HashAlgoSHA256, Value: hex.EncodeToString(sum)}}
		}
		parts = append(parts, c)
	}
	return parts
}

// npmComponents describes the embedded packages, from a package-lock.json.
func npmComponents(lock string) ([]cdx.Component, error) {
	text, err := os.ReadFile(lock)
	if err != nil {
		return nil, err
	}
	var known struct {
		Packages map[string]struct{ Version, Integrity, License string }
	}
	if err := json.Unmarshal(text, &known); err != nil {
		return nil, fmt.Errorf("%s: %w", lock, err)
	}
	var parts []cdx.Component
	for _, name := range embedded {
		p, ok := known.Packages["node_modules/"+name]
		if !ok {
			return nil, fmt.Errorf("%s: %s is embedded, but not there", lock, name)
		}
		c := library("pkg:npm/"+strings.Replace(name, "@", "%40", 1)+"@"+p.Version, name, p.Version)
		if p.License != "" {
			c.Licenses = &cdx.Licenses{{License: &cdx.License{ID: p.License}}}
		}
		if sum, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(p.Integrity, "sha512-")); err == nil {
			c.Hashes = &[]cdx.Hash{{Algorithm: cdx.HashAlgoSHA512, Value: hex.EncodeToString(sum)}}
		}
		parts = append(parts, c)
	}
	return parts, nil
}

func library(purl, name, version string) cdx.Component {
	return cdx.Component{BOMRef: purl, Type: cdx.ComponentTypeLibrary, Name: name, Version: version, PackageURL: purl}
}

// serial derives the document's UUID (version 5, without a namespace) from the
// binary's checksum, so that it is reproducible.
func serial(sum []byte) string {
	u := sha1.Sum(append([]byte("hoofbeat sbom "), sum...)) //nolint:gosec // as above
	u[6], u[8] = u[6]&0x0f|0x50, u[8]&0x3f|0x80
	return fmt.Sprintf("urn:uuid:%x-%x-%x-%x-%x", u[:4], u[4:6], u[6:8], u[8:10], u[10:16])
}
