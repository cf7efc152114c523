package load

import (
	"bytes"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
)

// clockTicks is the unit of processor time in /proc: the kernel's USER_HZ, 100
// per second on every architecture that Go supports.
const clockTicks = 100

// process is a broker's process, observed through /proc.
type process struct {
	pid  int
	tree bool // includes its descendants
}

// pids returns the process and, if tree is set, its descendants.
func (p process) pids() []int {
	if !p.tree {
		return []int{p.pid}
	}
	children := map[int][]int{}
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return []int{p.pid}
	}
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		if fields, err := statFields(pid); err == nil {
			parent, _ := strconv.Atoi(fields[1])
			children[parent] = append(children[parent], pid)
		}
	}
	all := []int{p.pid}
	for i := 0; i < len(all); i++ {
		for _, child := range children[all[i]] {
			if !slices.Contains(all, child) {
				all = append(all, child)
			}
		}
	}
	return all
}

// statFields returns the fields of /proc/PID/stat after the name, starting with
// the state (see proc_pid_stat(5)).
func statFields(pid int) ([]string, error) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return nil, err
	}
	fields := strings.Fields(string(data[bytes.LastIndexByte(data, ')')+1:]))
	if len(fields) < 22 {
		return nil, fmt.Errorf("/proc/%d/stat: only %d fields", pid, len(fields))
	}
	return fields, nil
}

// cpu returns the processor time so far, user and system together.
func (p process) cpu() (time.Duration, error) {
	var ticks int64
	for _, pid := range p.pids() {
		fields, err := statFields(pid)
		if err != nil {
			if pid == p.pid {
				return 0, fmt.Errorf("the broker's processor time: %w", err)
			}
			continue // a child that has ended
		}
		user, _ := strconv.ParseInt(fields[11], 10, 64)
		system, _ := strconv.ParseInt(fields[12], 10, 64)
		ticks += user + system
	}
	return time.Duration(ticks) * time.Second / clockTicks, nil
}

// resident returns the resident memory in bytes.
func (p process) resident() (uint64, error) {
	var total uint64
	for _, pid := range p.pids() {
		data, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
		if err != nil {
			data, err = os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
		}
		if err != nil {
			if pid == p.pid {
				return 0, fmt.Errorf("the broker's memory: %w", err)
			}
			continue
		}
		total += residentKiB(string(data)) << 10
	}
	return total, nil
}

// residentKiB parses the resident memory from smaps_rollup or status.
func residentKiB(text string) uint64 {
	for line := range strings.SplitSeq(text, "\n") {
		fields := strings.Fields(line)
		if len(fields) == 3 && (fields[0] == "Rss:" || fields[0] == "VmRSS:") {
			n, _ := strconv.ParseUint(fields[1], 10, 64)
			return n
		}
	}
	return 0
}

// residentFast is resident from a cheaper source, which can be read ten times a
// second. It may be off by about 100 KiB.
func (p process) residentFast() uint64 {
	var pages uint64
	for _, pid := range p.pids() {
		data, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
		if err != nil {
			continue
		}
		if fields := strings.Fields(string(data)); len(fields) > 1 {
			n, _ := strconv.ParseUint(fields[1], 10, 64)
			pages += n
		}
	}
	return pages * uint64(os.Getpagesize())
}
