package config

import (
	"crypto/sha256"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// condition identifies the content of a file: equal conditions mean equal
// content.
type condition struct {
	unreadable bool
	sum        [sha256.Size]byte
}

func conditions(paths []string) map[string]condition {
	all := map[string]condition{}
	for _, path := range paths {
		sum, err := sumFile(path)
		all[path] = condition{unreadable: err != nil, sum: sum}
	}
	return all
}

// sumFile reads regular files only; reading a pipe, for example, could block
// forever.
func sumFile(path string) (sum [sha256.Size]byte, err error) {
	if about, err := os.Stat(path); err != nil || !about.Mode().IsRegular() {
		return sum, errors.Join(err, os.ErrInvalid)
	}
	f, err := os.Open(path)
	if err != nil {
		return sum, err
	}
	hash := sha256.New()
	_, err = io.Copy(hash, f)
	if err = errors.Join(err, f.Close()); err != nil {
		return sum, err
	}
	hash.Sum(sum[:0])
	return sum, nil
}

// maxSteps limits the length of a trace, since links may form a circle.
const maxSteps = 1000

// trace lists the paths at which a change can affect a file's content: each
// symbolic link on the way, and the end of the way, which is the file or the
// first missing part. No directory above one of these paths is a symbolic link,
// so events use the same names.
func trace(path string) (steps []string, err error) {
	if !filepath.IsAbs(path) {
		// Not Abs, which would remove ".." together with a link before it.
		here, err := os.Getwd()
		if err != nil {
			return nil, err
		}
		path = here + string(filepath.Separator) + path
	}
	at, ahead := root(path), split(path)
	for range maxSteps {
		if len(ahead) == 0 {
			return append(steps, at), nil
		}
		next := filepath.Join(at, ahead[0])
		ahead = ahead[1:]
		target, err := os.Readlink(next)
		switch {
		case err == nil:
			steps = append(steps, next)
			ahead = append(split(target), ahead...)
			if filepath.IsAbs(target) {
				at = root(target)
			}
		case len(ahead) > 0 && exists(next):
			at = next
		default:
			return append(steps, next), nil
		}
	}
	return steps, nil
}

func root(path string) string { return filepath.VolumeName(path) + string(filepath.Separator) }

// split keeps "." and "..", whose meaning after a link depends on its target.
func split(path string) []string {
	return strings.FieldsFunc(path[len(filepath.VolumeName(path)):], func(r rune) bool {
		return r < 0x80 && os.IsPathSeparator(uint8(r))
	})
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}
