package main

import (
	"context"
	"io/fs"
	"log/slog"
	"math"
	"os"
	"path"
	"runtime/debug"
	"strconv"
	"strings"

	"hoofbeat/config"
	"hoofbeat/internal/memory"
)

// startMemory makes the budget of the process, which is watched until stop is
// called, and tells Go's runtime of it.
func startMemory(c config.Limits, log *slog.Logger) (budget *memory.Budget, stop func()) {
	all := machineMemory(os.DirFS("/"))
	limit := c.Memory.Of(all)
	budget = memory.New(limit)
	forget, restore := limitRuntime(limit), raiseCollectorFloor(limit)
	log.Info("memory", "machine", all, "limits.memory", limit)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		budget.Watch(ctx)
	}()
	return budget, func() {
		cancel()
		<-done
		restore()
		forget()
	}
}

// limitRuntime lets the garbage collector work harder when the process takes a
// quarter more than its clients may have: that is for what is counted nowhere.
// The environment variable GOMEMLIMIT wins.
func limitRuntime(limit int) (forget func()) {
	if os.Getenv("GOMEMLIMIT") != "" {
		return func() {}
	}
	before := debug.SetMemoryLimit(int64(limit) + int64(limit)/4)
	return func() { debug.SetMemoryLimit(before) }
}

// unknownMemory is taken for the machine's where it cannot be found out.
const unknownMemory = 4 << 30

// machineMemory is how much memory there is: that of the machine, or less if a
// cgroup of this process, of version 1 or 2, allows less.
func machineMemory(root fs.FS) int {
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
