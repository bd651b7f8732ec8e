package interop

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// cpuTimes are the CPU time that was used up to a moment. Where the system has no /proc as Linux has, all is 0.
type cpuTimes struct {
	server time.Duration // by a process and those it started, also those that ended
	load   time.Duration // by this process
	idle   time.Duration // by nobody, or waiting for the disk
	all    time.Duration // by all processors: what there was
}

// tick is the unit of /proc on all of Linux's common platforms.
const tick = 10 * time.Millisecond

func readCPU(pid int) cpuTimes {
	var t cpuTimes
	var user, nice, system, idle, wait, irq, softirq, steal time.Duration
	stat, _ := os.ReadFile("/proc/stat")
	if _, err := fmt.Sscanf(string(stat), "cpu %d %d %d %d %d %d %d %d", &user, &nice, &system, &idle, &wait, &irq, &softirq, &steal); err != nil {
		return t
	}
	t.idle = tick * (idle + wait)
	t.all = tick * (user + nice + system + idle + wait + irq + softirq + steal)
	t.server = treeCPU(pid)
	var self syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &self) == nil {
		t.load = time.Duration(self.Utime.Nano() + self.Stime.Nano())
	}
	return t
}

// treeCPU returns the time of a process, its descendants, and those of them that ended and were waited for.
func treeCPU(root int) time.Duration {
	parents, times := map[int]int{}, map[int]time.Duration{}
	files, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			continue // it ended
		}
		var pid, parent, skip int
		var state string
		var user, system, childUser, childSystem time.Duration
		// The name, in parentheses, may hold anything.
		fmt.Sscan(string(text), &pid)
		fmt.Sscan(string(text[bytes.LastIndexByte(text, ')')+1:]), &state, &parent, &skip, &skip, &skip, &skip, &skip, &skip, &skip, &skip, &skip,
			&user, &system, &childUser, &childSystem)
		parents[pid], times[pid] = parent, tick*(user+system+childUser+childSystem)
	}
	var sum time.Duration
	for pid, time := range times {
		if descends(pid, root, parents) {
			sum += time
		}
	}
	return sum
}

func descends(pid, root int, parents map[int]int) bool {
	for pid != root && pid != 0 {
		pid = parents[pid]
	}
	return pid == root
}
