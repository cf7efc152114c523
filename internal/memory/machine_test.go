package memory

import (
	"testing"
	"testing/fstest"
)

func TestMachineMemory(t *testing.T) {
	const meminfo = "MemTotal:       16384000 kB\nMemFree:        1 kB\n"
	for name, tc := range map[string]struct {
		files map[string]string
		want  int
	}{
		"nothing is known": {nil, unknownMemory},
		"machine":          {map[string]string{"proc/meminfo": meminfo}, 16384000 << 10},
		"no limit": {map[string]string{"proc/meminfo": meminfo, "proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "max\n"},
			16384000 << 10},
		"container": {map[string]string{"proc/meminfo": meminfo, "proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "536870912\n"},
			512 << 20},
		"unit": {map[string]string{"proc/meminfo": meminfo, "proc/self/cgroup": "0::/system.slice/hoofbeat.service\n",
			"sys/fs/cgroup/system.slice/hoofbeat.service/memory.max": "max\n", "sys/fs/cgroup/system.slice/hoofbeat.service/memory.high": "1073741824\n"},
			1 << 30},
		"slice above": {map[string]string{"proc/meminfo": meminfo, "proc/self/cgroup": "0::/a.slice/b.service\n",
			"sys/fs/cgroup/a.slice/memory.max": "2147483648\n"}, 2 << 30},
		"version 1": {map[string]string{"proc/meminfo": meminfo, "proc/self/cgroup": "3:cpu,cpuacct:/x\n5:memory:/docker/abc\n",
			"sys/fs/cgroup/memory/docker/abc/memory.limit_in_bytes": "268435456\n"}, 256 << 20},
		"version 1, in the container": {map[string]string{"proc/meminfo": meminfo, "proc/self/cgroup": "5:memory:/docker/abc\n",
			"sys/fs/cgroup/memory/memory.limit_in_bytes": "268435456\n"}, 256 << 20},
		"version 1, no limit": {map[string]string{"proc/meminfo": meminfo, "proc/self/cgroup": "5:memory:/\n",
			"sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n"}, 16384000 << 10},
		"path that leaves": {map[string]string{"proc/meminfo": meminfo, "proc/self/cgroup": "0::/../../x\n"}, 16384000 << 10},
	} {
		t.Run(name, func(t *testing.T) {
			root := fstest.MapFS{}
			for file, text := range tc.files {
				root[file] = &fstest.MapFile{Data: []byte(text)}
			}
			if got := Machine(root); got != tc.want {
				t.Errorf("%d, want %d", got, tc.want)
			}
		})
	}
}
