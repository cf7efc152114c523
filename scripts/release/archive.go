package main

import (
	"archive/tar"
	"archive/zip"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"
)

// A packer is an archive that is being written.
type packer interface {
	// add begins a file or folder. The content of a file is written to the
	// returned writer before the next call.
	add(name string, info fs.FileInfo) (io.Writer, error)
	io.Closer
}

// archive packs a folder, including its name, into a tar.gz or zip. Entries are
// in the order of WalkDir, which sorts them. Only the content of each file and
// its executable bit are kept; owners are omitted and times are date.
func archive(out, folder string, date time.Time) (err error) {
	file, err := os.Create(out)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	p, err := newPacker(out, file, date)
	if err != nil {
		return err
	}
	top := os.DirFS(filepath.Dir(folder))
	err = fs.WalkDir(top, filepath.Base(folder), func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return pack(p, top, name, entry)
	})
	return errors.Join(err, p.Close())
}

func newPacker(name string, to io.Writer, date time.Time) (packer, error) {
	switch {
	case strings.HasSuffix(name, ".zip"):
		return &zipPacker{zip.NewWriter(to), date}, nil
	case strings.HasSuffix(name, ".tar.gz"):
		zipped := gzip.NewWriter(to)
		return &tarPacker{tar.NewWriter(zipped), zipped, date}, nil
	}
	return nil, fmt.Errorf("%s: expected a name that ends in .tar.gz or .zip", name)
}

func pack(p packer, top fs.FS, name string, entry fs.DirEntry) error {
	info, err := entry.Info()
	if err != nil {
		return err
	}
	if !info.IsDir() && !info.Mode().IsRegular() {
		return fmt.Errorf("%s: neither a file nor a folder", name)
	}
	to, err := p.add(name, info)
	if err != nil || info.IsDir() {
		return err
	}
	from, err := top.Open(name)
	if err != nil {
		return err
	}
	_, err = io.Copy(to, from)
	return errors.Join(err, from.Close())
}

// mode returns a file's mode, executable or not, independent of the umask.
func mode(info fs.FileInfo) fs.FileMode {
	if info.IsDir() || info.Mode()&0o100 != 0 {
		return 0o755
	}
	return 0o644
}

type tarPacker struct {
	*tar.Writer
	zipped io.Closer
	date   time.Time
}

func (p *tarPacker) add(name string, info fs.FileInfo) (io.Writer, error) {
	h := &tar.Header{Typeflag: tar.TypeReg, Name: name, Size: info.Size(), Mode: int64(mode(info)), ModTime: p.date, Format: tar.FormatUSTAR}
	if info.IsDir() {
		h.Typeflag, h.Name, h.Size = tar.TypeDir, name+"/", 0
	}
	return p.Writer, p.WriteHeader(h)
}

func (p *tarPacker) Close() error { return errors.Join(p.Writer.Close(), p.zipped.Close()) }

type zipPacker struct {
	*zip.Writer
	date time.Time
}

func (p *zipPacker) add(name string, info fs.FileInfo) (io.Writer, error) {
	h := &zip.FileHeader{Name: path.Clean(name), Method: zip.Deflate, Modified: p.date}
	if info.IsDir() {
		h.Name, h.Method = h.Name+"/", zip.Store
	}
	h.SetMode(mode(info) | info.Mode().Type())
	return p.CreateHeader(h)
}
