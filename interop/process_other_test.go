//go:build !linux

package interop

import (
	"os/exec"
	"syscall"
)

// Elsewhere a program that starts others is on its own: all of those are Linux's in CI.

func isolate(*exec.Cmd) {}

func signal(cmd *exec.Cmd, sig syscall.Signal) error { return cmd.Process.Signal(sig) }
