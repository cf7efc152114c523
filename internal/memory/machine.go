package memory

import (
	"io/fs"
	"math"
	"path"
	"strconv"
	"strings"
)

// unknownMemory is used where the machine's memory cannot be read.
const unknownMemory = 4 << 30

// Machine returns the bytes of memory that this process may use: those of the
// machine, or less if its cgroup, of version 1 or 2, allows less. Root is the
// root of the file system.
func Machine(root fs.FS) int {
	all := totalMemory(root)
	if all == 0 {
		all = unknownMemory
	}
	for _, file := range cgroupFiles(root) {
		if n := readBytes(root, file); n > 0 {
			all = min(all, n)
		}
	}
	return all
}

// totalMemory reads /proc/meminfo; 0 where there is none.
func totalMemory(root fs.FS) int {
	text, err := fs.ReadFile(root, "proc/meminfo")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "MemTotal:"); ok {
			n, err := strconv.Atoi(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(rest), "kB")))
			if err == nil && n > 0 && n <= math.MaxInt/1024 {
				return n * 1024
			}
		}
	}
	return 0
}

// cgroupFiles are the files that may hold a limit: those of the cgroup of this
// process, and of all above it. In a container the path may be the host's; its
// root is the container's own then.
func cgroupFiles(root fs.FS) []string {
	text, err := fs.ReadFile(root, "proc/self/cgroup")
	if err != nil {
		return nil
	}
	var files []string
	for line := range strings.Lines(string(text)) {
		_, rest, _ := strings.Cut(strings.TrimSpace(line), ":")
		controllers, group, _ := strings.Cut(rest, ":")
		switch {
		case controllers == "":
			for _, dir := range upwards("sys/fs/cgroup", group) {
				files = append(files, dir+"/memory.max", dir+"/memory.high")
			}
		case strings.Contains(","+controllers+",", ",memory,"):
			for _, dir := range upwards("sys/fs/cgroup/memory", group) {
				files = append(files, dir+"/memory.limit_in_bytes")
			}
		}
	}
	return files
}

// upwards are a directory below base and all between them, base included.
func upwards(base, below string) []string {
	dirs := []string{base}
	for p := path.Clean("/" + below); p != "/"; p = path.Dir(p) {
		dirs = append(dirs, base+p)
	}
	return dirs
}

// readBytes reads a file that holds one number; 0 if it does not, such as one
// that says max.
func readBytes(root fs.FS, name string) int {
	text, err := fs.ReadFile(root, name)
	if err != nil {
		return 0
	}
	n, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		return 0
	}
	return n
}
